import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Grantee } from '../access/grantee.js';
import type { Span } from '../api/paging.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { Sealer } from '../sealing.js';
import { linesOf } from './reading/lines.js';
import { rowsOf, type UploadForm } from './reading/rows.js';
import type { ExpectedFilter, ExpectedThing } from './store.js';
import { takeRows, type UploadDeps, type UploadEvent } from './upload.js';

type Deps = Omit<UploadDeps, 'hashCode'> & { sealer: Pick<Sealer, 'derive'> };

export type ExpectedService = ReturnType<typeof createExpectedService>;

/** Things that are expected: who may come, before they come. */
export function createExpectedService(deps: Deps) {
  const { store, clock, audit, sealer } = deps;
  const key = sealer.derive('codes of expected things');
  // Codes are short: without the key, nobody finds them by trying.
  const hashCode = (account: string, code: string): Buffer =>
    createHmac('sha256', key).update(`${account} ${code}`).digest();

  const get = async (account: string, name: string): Promise<ExpectedThing> => {
    const found = await store.find(account, name);
    if (!found) throw unexpected(name);
    return found;
  };

  return {
    /** Takes an upload as it comes. The same again changes nothing, so one that broke off is sent again from its beginning. */
    upload: (
      caller: Grantee,
      form: UploadForm,
      body: AsyncIterable<Buffer>,
      origin: Origin,
    ): AsyncGenerator<UploadEvent> => takeRows({ ...deps, hashCode }, caller, rowsOf(form, linesOf(body)), origin),

    /** @throws DomainError `not-found` */
    get,
    list: (account: string, filter: ExpectedFilter, span: Span): Promise<ExpectedThing[]> =>
      store.list(account, filter, span),
    countMatching: (account: string, filter: ExpectedFilter, most: number): Promise<number> =>
      store.count(account, filter, most),

    /** Expects a thing no more. What has its identity keeps it. @throws DomainError `not-found` */
    async remove(account: string, name: string, origin: Origin): Promise<void> {
      await store.transaction(async (tx) => {
        if (!(await store.remove(tx, account, name))) throw unexpected(name);
        await audit(tx, { at: clock(), account, origin, action: 'expected.delete', target: `thing:${name}` });
      });
    },

    /** For provisioning. */
    find: store.find,
    noteWrongCode: store.noteWrongCode,
    /** In constant time. */
    isCode: ({ account, codeHash }: ExpectedThing, code: string): boolean =>
      codeHash !== null && timingSafeEqual(codeHash, hashCode(account, code)),
  };
}

function unexpected(name: string): DomainError {
  return new DomainError('not-found', `no thing ${name} is expected: GET /v1/things/expected lists them`);
}
