import type { Clock } from '../clock.js';
import { isDatabaseTrouble } from '../db/trouble.js';
import { draftCrl, encodeCrlEntry, type CrlDraft, type CrlHeader } from '../pki/crl.js';
import { lintCrl, requireNothingDropped } from '../pki/crl-lint.js';
import type { Issuer } from '../pki/issuer.js';
import { inSlices } from '../slices.js';
import { backdatedSeconds, revocationDateOf } from '../backdating.js';
import type { EntriesView } from './entries.js';
import type { List, ListedIssuer, ListOf } from './lists.js';
import type { CrlRecord, Departure } from './store.js';

/** A list that was made and is not to be published; the message says why. */
export class RefusedList extends Error {
  override readonly name = 'RefusedList';
}

type Deps<Stored extends ListedIssuer> = {
  clock: Clock;
  open(stored: Stored): Issuer;
  crlUrl(issuerId: string): string;
  deltaUrl(issuerId: string): string;
  store: {
    contradicted(of: ListOf, at: Date): Promise<string[]>;
    departures(of: ListOf, after: number, upTo: number): Promise<Departure[]>;
  };
};

type Drafted = { draft: CrlDraft; header: CrlHeader; entries: number };

/** The log says why a list was refused, in one short line. */
const mostReason = 300;
const mostSeconds = 180 * 86_400 + backdatedSeconds;

export type ListSigner<Stored extends ListedIssuer> = ReturnType<typeof createListSigner<Stored>>;

/** Writes lists: the same bytes for the same record, on every instance. */
export function createListSigner<Stored extends ListedIssuer>({ clock, open, crlUrl, deltaUrl, store }: Deps<Stored>) {
  const checked = new WeakSet<List>();

  const headerOf = (issuer: Stored, { number, thisUpdate, nextUpdate, url, base, scope }: CrlRecord): CrlHeader => ({
    number,
    thisUpdate,
    nextUpdate,
    // A delta has the scope of its complete list, and says so in the same words (RFC 5280 §5.2.4).
    distributionPoint: url ?? (issuer.distributionPoint && !isShard(scope) ? crlUrl(issuer.id) : undefined),
    baseNumber: base?.number,
    delta: issuer.deltaList && scope === 'complete' ? deltaUrl(issuer.id) : undefined,
  });

  const listOf = (issuer: Stored): ListOf => ({ ...issuer, issuerId: issuer.id, scope: 'complete' });

  /** Lays the entries of a view out. What changes in the list from here on does not show. */
  const write = async (signing: Issuer, header: CrlHeader, view: EntriesView): Promise<Drafted> => {
    const draft = draftCrl(signing, header, view.octets);
    await inSlices(copy(view.slices, draft.entries));
    return { draft, header, entries: view.count };
  };

  const draft = async (issuer: Stored, signing: Issuer, record: CrlRecord, list: List): Promise<Drafted> => {
    const header = headerOf(issuer, record);
    const { entries } = list;
    requireCovered(list, record);
    if (!record.base) return write(signing, header, entries.view(0, record.signedAt.getTime(), record.thisUpdate));
    const after = Number(record.base.position);
    const added = entries.view(after, -Infinity, record.thisUpdate);
    const removed = await store.departures(listOf(issuer), after, Number(record.position));
    return write(signing, header, withRemovals(added, removed, record.thisUpdate));
  };

  /** Notes what has expired by the time of a record, and may leave the list. */
  const noteExpired = ({ entries, gone }: List, { signedAt, base }: CrlRecord): void => {
    if (!base) for (const serialNumber of entries.expired(signedAt.getTime())) gone.add(serialNumber);
  };

  // The registry must say what the log says before the first list is made of it.
  const requireUncontradicted = async (issuer: Stored, list: List): Promise<void> => {
    if (checked.has(list)) return;
    const serials = await store.contradicted(listOf(issuer), clock());
    if (serials.length > 0)
      throw new RefusedList(
        `the log says that ${serials.join(', ')} ${serials.length === 1 ? 'is' : 'are'} revoked and the registry does not: the database was modified outside Thingward (partial restore or manual change?)`,
      );
    checked.add(list);
  };

  const inspect = async (signing: Issuer, { header, entries }: Drafted, bytes: Buffer) => {
    const now = clock() > header.thisUpdate ? clock() : header.thisUpdate;
    return inSlices(lintCrl({ der: bytes, issuer: signing, header, entries, now, maxSeconds: mostSeconds }));
  };

  return {
    requireUncontradicted,

    /**
     * Signs a new list of what stands in it when this is called, once it passed the lint and drops nothing.
     * `undo` takes back that it counts as published. @throws RefusedList
     */
    async sign(issuer: Stored, record: CrlRecord, list: List, previous: Buffer | undefined) {
      noteExpired(list, record);
      // A delta is not compared with the list before it: what may leave waits for the next complete list.
      const gone = record.base ? new Set<string>() : list.gone;
      if (!record.base) list.gone = new Set();
      const undo = (): void => gone.forEach((serialNumber) => list.gone.add(serialNumber));
      try {
        const signing = open(issuer);
        const drafted = await draft(issuer, signing, record, list);
        const { tbs } = drafted.draft;
        const signature = await inSlices(signing.signer.signLong(tbs));
        const bytes = drafted.draft.finish(signature);
        if (!(await inSlices(signing.signer.verifyLong(tbs, signature))))
          throw new Error('the signature does not verify');
        const index = await inspect(signing, drafted, bytes);
        if (previous && !record.base)
          await inSlices(requireNothingDropped(previous, index, (serial) => gone.has(serial)));
        return { der: bytes, signature, undo };
      } catch (error) {
        undo();
        // Not a verdict on the list: what the database says stays in the log.
        if (isDatabaseTrouble(error)) throw error;
        throw new RefusedList((error as Error).message.trim().split('\n', 1)[0]!.slice(0, mostReason));
      }
    },

    /** The bytes of a list that another instance signed. Undefined when they are not what this instance would sign. */
    async rewrite(issuer: Stored, record: CrlRecord, list: List): Promise<Buffer | undefined> {
      const signing = open(issuer);
      const { draft: drafted } = await draft(issuer, signing, record, list);
      if (!(await inSlices(signing.signer.verifyLong(drafted.tbs, record.signature)))) return undefined;
      return drafted.finish(record.signature);
    },
  };
}

/** INVARIANT: what stands in the list now is what stood in it at the position of the record. No `await` parts this from the view. */
function requireCovered(list: List, { position }: CrlRecord): void {
  const at = Number(position);
  if (list.lastChange <= at && at <= list.position()) return;
  throw new Error(`the contents changed at ${list.lastChange} and are read to ${list.position()}: no list of ${at}`);
}

function isShard(scope: string): boolean {
  return scope !== 'complete' && scope !== 'delta';
}

function* copy(slices: Buffer[], into: Buffer): Generator<void, void> {
  let at = 0;
  for (const slice of slices) {
    into.set(slice, at);
    at += slice.length;
    yield;
  }
}

function withRemovals({ slices, octets, count }: EntriesView, departures: Departure[], thisUpdate: Date): EntriesView {
  const removals = departures.map(({ serialNumber, at }) =>
    encodeCrlEntry({ serialNumber, revokedAt: revocationDateOf(at, thisUpdate), reason: 'removeFromCRL' }),
  );
  const more = removals.reduce((sum, { length }) => sum + length, 0);
  return { slices: [...slices, ...removals], octets: octets + more, count: count + removals.length };
}
