import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { AppendAudit } from '../../audit/store.js';
import type { Clock } from '../../clock.js';
import type { Transaction } from '../../db/client.js';
import { DomainError } from '../../errors.js';
import type { AppendLog } from '../../log/append.js';
import { storedOrigin, type Origin } from '../../origin.js';
import { readQuery } from '../../thing-query/read-query.js';
import type { AnyQuery } from '../../thing-query/shapes.js';
import type { BulkFilter, BulkRequest } from './schema.js';
import type { BulkCertificate, BulkRevocation, BulkStore } from './store.js';
import { revoke } from '../revoke.js';

type Deps = {
  store: BulkStore;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  /** The SHA-256 of a certificate's public key, once a JWT proves that its sender holds the private one. @throws DomainError */
  verifyProof(proof: string, certificateDer: Buffer): Promise<Buffer>;
  /** The query of a group, if there is one of this name. */
  findGroup(account: string, name: string): Promise<AnyQuery | undefined>;
  onError(error: unknown): void;
};

const chunkCertificates = 1000;
const mostAtOnce = 10_000;
const betweenChunksMs = 5;
const sampled = 10;
const beginning = '';

export type BulkService = ReturnType<typeof createBulkService>;

/**
 * Revoking many certificates. They are taken a thousand at a time, so that an urgent revocation gets in between,
 * and any instance resumes what a crash interrupted.
 */
export function createBulkService({ store, clock, audit, log, verifyProof, findGroup, onError }: Deps) {
  const revokeChunk = async (
    tx: Transaction,
    { id, account, reason, origin }: BulkRevocation,
    taken: BulkCertificate[],
    at: Date,
  ): Promise<bigint> => {
    const [action, target] = ['certificate.revoke-many', `bulk:${id}`];
    return log(tx, at, await revoke(audit, tx, taken, { account, reason, at, origin, action, target }));
  };

  /**
   * Revokes the next thousand after a serial number and returns where to continue; undefined when there is nothing left
   * to do here. A walk that has come to its end begins again, because what is renewed meanwhile may lie behind it: only a
   * walk that finds nothing from its beginning is the last.
   */
  const takeChunk = (id: string, after: string): Promise<string | undefined> =>
    store.transaction(async (tx) => {
      const bulk = await store.lock(tx, id);
      if (!bulk) return undefined;
      const at = clock();
      const wanted = { ...bulk, at, countedAt: bulk.createdAt, thingsOf: bulk.status === 'fixed' ? id : undefined };
      const next = await store.lockNext(tx, wanted, chunkCertificates, after);
      if (!next && after !== beginning) return beginning;
      if (!next) {
        await store.finish(tx, id, at);
        return undefined;
      }
      const { certificates, last } = next;
      if (certificates.length > 0)
        await store.advance(tx, id, certificates.length, await revokeChunk(tx, bulk, certificates, at));
      return last;
    });

  let isClosing = false;

  const run = async (id: string): Promise<void> => {
    let after: string | undefined = beginning;
    while (!isClosing && after !== undefined) {
      after = await takeChunk(id, after);
      // The pause lets those who wait for the same locks, or for an embedded database, go first.
      if (after !== undefined) await pause(betweenChunksMs);
    }
  };

  const get = async (account: string, id: string): Promise<BulkRevocation> => {
    const bulk = await store.find(account, id);
    if (!bulk) throw new DomainError('not-found', `there is no bulk revocation ${id}`);
    return bulk;
  };

  const proofOf = async (account: string, { proof, filter }: BulkRequest): Promise<Buffer | undefined> => {
    if (filter.lineageOf === undefined) return undefined;
    const certificate = await store.findDer(account, filter.lineageOf);
    if (!certificate) throw new DomainError('not-found', `there is no certificate ${filter.lineageOf}`);
    return proof === undefined ? undefined : verifyProof(proof, certificate);
  };

  /** A filter as it is asked now: what its group and query ask is apart, and `group` stays where it is a value of the attribute. */
  const resolve = async (account: string, { group, query, ...rest }: BulkFilter) => {
    const ofGroup = group === undefined ? undefined : await findGroup(account, group);
    const queries = [ofGroup, query].filter((each) => each !== undefined).map(readQuery);
    const filter: BulkFilter = { ...rest, ...(group === undefined || ofGroup ? {} : { group }) };
    return { filter, queries };
  };

  return {
    /** What a request would revoke. @throws DomainError `not-found` */
    async preview(account: string, request: BulkRequest) {
      await proofOf(account, request);
      const wanted = { account, ...request, ...(await resolve(account, request.filter)), at: clock() };
      return store.transaction(async (tx) => ({
        ...(await store.count(tx, wanted)),
        sample: await store.sample(tx, wanted, sampled),
      }));
    },

    /**
     * Revokes what a filter takes. Up to ten thousand are revoked when this resolves, unless an instance does not read the
     * log: then, and of more, it only has begun.
     * @throws DomainError `count-changed`, `not-found`, `invalid-request` for a proof that proves nothing
     */
    async start(account: string, request: BulkRequest, origin: Origin): Promise<BulkRevocation> {
      const barred = await proofOf(account, request);
      const at = clock();
      const { reason, expectedCount } = request;
      const { filter, queries } = await resolve(account, request.filter);
      const isFixed = queries.length > 0;
      const bulk: BulkRevocation = {
        id: randomUUID(),
        account,
        filter,
        reason,
        // The request ends before the work does.
        origin: storedOrigin(origin),
        expected: expectedCount!,
        revoked: 0,
        position: null,
        status: isFixed ? 'fixed' : 'running',
        createdAt: at,
        finishedAt: null,
      };
      const begun = store.transaction(async (tx) => {
        if (isFixed) await store.fixThings(tx, bulk, queries);
        const thingsOf = isFixed ? bulk.id : undefined;
        const { count } = await store.count(tx, { account, filter, reason, at, thingsOf });
        if (count !== expectedCount)
          throw new DomainError(
            'count-changed',
            `the filter now selects ${count} certificates: check them with dryRun`,
            {
              count,
            },
          );
        if (barred) await store.barEverywhere(tx, barred, at);
        await store.insert(tx, bulk);
      });
      await begun.catch(unlessUnsettled);
      if (expectedCount! <= mostAtOnce) await run(bulk.id).catch(unlessUnsettled);
      else void run(bulk.id).catch(onError);
      return get(account, bulk.id);
    },

    /** @throws DomainError `not-found` */
    get,

    /** Goes on with what a crash left undone. Called now and then on every instance. */
    async resume(): Promise<void> {
      for (const id of await store.running()) await run(id);
    },

    /** Takes no further chunk here: another instance, or the next start, does. */
    close: async (): Promise<void> => void (isClosing = true),
  };
}

/** What is written is carried on in the background, and the answer says that it is running. */
function unlessUnsettled(error: unknown): void {
  if (!(error instanceof DomainError) || error.code !== 'not-settled') throw error;
}
