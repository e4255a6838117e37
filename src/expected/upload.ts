import { requirePermissions, type Grantee } from '../access/grantee.js';
import type { Permission } from '../access/permissions.js';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Origin } from '../origin.js';
import type { ExpectedRow, ReadRow } from './reading/rows.js';
import type { ExpectedStore, RowOutcome, RowToWrite } from './store.js';

/** A row that was not taken, and why. */
export type BadRow = { line: number; name?: string | undefined; reason: string };

/** How far an upload is. */
export type Counts = { rows: number; added: number; changed: number; unchanged: number; refused: number };

/** What an upload reports while it runs. */
export type UploadEvent = { bad: BadRow } | { progress: Counts };

/** What taking an upload needs. */
export type UploadDeps = {
  store: ExpectedStore;
  clock: Clock;
  audit: AppendAudit;
  /** @throws DomainError when the credential has ended meanwhile */
  requireLive(caller: Grantee): Promise<void>;
  /** @throws DomainError `unknown-policy` */
  requirePolicies(account: string, names: string[]): Promise<void>;
  /** @throws DomainError `unknown-segment` */
  requireSegment(account: string, name: string): Promise<void>;
  hashCode(account: string, code: string): Buffer;
};

type Good = { line: number; row: ExpectedRow };

const atOnce = 1000;
const mostNames = 20_000;

/**
 * Takes rows in transactions of a thousand, and reports each bad row, and how far it is after each transaction. What was reported stays, whatever
 * comes later; the same rows again change nothing. @throws DomainError `forbidden`, `too-many-requests`, and those of reading
 */
export async function* takeRows(
  deps: UploadDeps,
  caller: Grantee,
  groups: AsyncIterable<ReadRow[]>,
  origin: Origin,
): AsyncGenerator<UploadEvent> {
  const upload = createUpload(deps, caller, origin);
  await upload.begin();
  for await (const group of groups) {
    for (const read of group) {
      if (!('row' in read)) {
        yield upload.refuse(read);
        continue;
      }
      // The later of two rows of one name changes the former, as it would in another upload.
      if (upload.isFull(read.row.name)) yield* upload.write();
      upload.add(read);
    }
  }
  yield* upload.write();
  yield upload.progress();
}

const reasons = {
  used: 'a device has this identity already, and the row differs from its own: delete that first',
  forbidden:
    'attributes, policies or the segment of an earlier row would change, and the credential may not change them: use one with things:write, policies:attach and segments:write',
};

function createUpload(deps: UploadDeps, caller: Grantee, origin: Origin) {
  const { account } = caller;
  // What a row had goes with it, so taking it away needs what giving it did.
  const may = {
    attributes: caller.permissions.has('things:write'),
    policies: caller.permissions.has('policies:attach'),
    segment: caller.permissions.has('segments:write'),
  };
  const counts: Counts = { rows: 0, added: 0, changed: 0, unchanged: 0, refused: 0 };
  const isKnown = createNames(deps, account);
  let batch = new Map<string, Good>();
  let held = 0;

  const refuse = (bad: BadRow): UploadEvent => {
    counts.rows++;
    counts.refused++;
    return { bad };
  };

  const progress = (): UploadEvent => ({ progress: { ...counts } });

  async function* write(): AsyncGenerator<UploadEvent> {
    const rows = [...batch.values()];
    batch = new Map();
    if (rows.length === 0) return;
    await deps.requireLive(caller);
    requireEffects(caller, rows);
    const fit: Good[] = [];
    for (const good of rows) {
      const reason = await isKnown(good.row);
      if (reason === undefined) fit.push(good);
      else yield refuse({ line: good.line, name: good.row.name, reason });
    }
    const outcomes = await writeAll(fit);
    for (const [n, outcome] of outcomes.entries()) {
      const { line, row } = fit[n]!;
      if (outcome === 'used' || outcome === 'forbidden')
        yield refuse({ line, name: row.name, reason: reasons[outcome] });
      else {
        counts.rows++;
        counts[outcome]++;
      }
    }
    yield progress();
  }

  const writeAll = (rows: Good[]): Promise<RowOutcome[]> =>
    deps.store.transaction(async (tx) => {
      const most = mostOfAccount.expectedThings;
      if (held + counts.added + rows.length > most)
        throw tooMany('expected things', most, 'delete those that nobody waits for');
      const at = deps.clock();
      const written = await deps.store.write(
        tx,
        { account, actor: origin.actor, at, may },
        rows.map(({ row }) => toWrite(row)),
      );
      const [added, changed] = (['added', 'changed'] as const).map(
        (each) => written.filter((outcome) => outcome === each).length,
      );
      if (added! + changed! > 0) {
        const detail = { added, changed, first: rows[0]!.row.name, last: rows.at(-1)!.row.name };
        await deps.audit(tx, { at, account, origin, action: 'expected.upload', target: `account:${account}`, detail });
      }
      return written;
    });

  const toWrite = ({ code, ...row }: ExpectedRow): RowToWrite => ({
    ...row,
    codeHash: code === undefined ? undefined : deps.hashCode(account, code),
  });

  return {
    /** Counts what there is once: uploads that run at the same time may pass the limit by what they bring. */
    async begin(): Promise<void> {
      held = await deps.store.count(account, {}, mostOfAccount.expectedThings);
    },
    refuse,
    progress,
    isFull: (name: string): boolean => batch.size >= atOnce || batch.has(name),
    add: (good: Good): void => void batch.set(good.row.name, good),
    write,
  };
}

/** A row gives its thing what other routes would give it, so it needs what those need. */
function requireEffects(caller: Grantee, rows: Good[]): void {
  const effects: [Permission, (row: ExpectedRow) => boolean][] = [
    ['things:write', ({ attributes = {} }) => Object.keys(attributes).length > 0],
    ['segments:write', ({ segment }) => segment !== undefined],
    ['policies:attach', ({ policies }) => policies !== undefined],
  ];
  for (const [permission, needs] of effects) {
    const row = rows.find((each) => needs(each.row));
    if (row) requirePermissions(caller, [permission], `the row on line ${row.line}`);
  }
}

/** Whether the policies and the segment of rows exist, each looked up once; says what does not. */
function createNames({ requirePolicies, requireSegment }: UploadDeps, account: string) {
  const seen = new Map<string, Promise<string | undefined>>();
  const look = (kind: string, name: string, require: () => Promise<void>): Promise<string | undefined> => {
    const key = `${kind} ${name}`;
    const found = seen.get(key);
    if (found) return found;
    if (seen.size >= mostNames) seen.clear();
    const looking = require().then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof DomainError && error.code.startsWith('unknown-')) return `there is no ${kind} ${name}`;
        throw error;
      },
    );
    seen.set(key, looking);
    return looking;
  };
  return async ({ segment, policies = [] }: ExpectedRow): Promise<string | undefined> => {
    const ofSegment = segment !== undefined && (await look('segment', segment, () => requireSegment(account, segment)));
    if (ofSegment) return ofSegment;
    for (const policy of policies) {
      const reason = await look('policy', policy, () => requirePolicies(account, [policy]));
      if (reason !== undefined) return reason;
    }
    return undefined;
  };
}
