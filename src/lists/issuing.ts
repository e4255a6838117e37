import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import { signedAtOf, thisUpdateOf } from '../backdating.js';
import { RefusedList, type ListSigner } from './signer.js';
import type { List, ListedIssuer } from './lists.js';
import type { CrlRecord, RevocationStore } from './store.js';

/** A signed list with its bytes. */
export type PublishedCrl = Omit<CrlRecord, 'signature'> & { der: Buffer; maxAge: number };

type Deps<Stored extends ListedIssuer> = {
  store: Pick<RevocationStore, 'swap'>;
  signer: ListSigner<Stored>;
  clock: Clock;
  /** Seconds from the signature to nextUpdate. */
  validSeconds(issuer: Stored): number;
  /** Told of every list that was not published, and why. */
  alarm(error: unknown): void;
};

/** A list that could not be published, and why. */
type Refused = { issuerId: string; scope: string; reason: string };

/** The bytes of a record, and the state of the contents that they were made from. */
type Made = { number: bigint; signature: Buffer; lastChange: number; der: Buffer };

/**
 * Makes signed lists from contents, and recalls their bytes. The bytes live and die with the contents that they were
 * made from: what is recalled was either just written from a live list, or is known to say the same.
 */
export function createListIssuing<Stored extends ListedIssuer>(deps: Deps<Stored>) {
  const { store, signer, clock, validSeconds, alarm } = deps;
  const made = new WeakMap<List<Stored>, Map<string, Made>>();
  const publishing = new Map<string, Promise<PublishedCrl | undefined>>();
  const refused = new Map<string, Refused & { notAfter: Date }>();

  const madeOf = (list: List<Stored>, scope: string): Made | undefined => made.get(list)?.get(scope);

  const keep = (list: List<Stored>, record: CrlRecord, lastChange: number, der: Buffer): PublishedCrl => {
    const { signature, ...rest } = record;
    if (!made.has(list)) made.set(list, new Map());
    // An answer of the database may be late: newer bytes than these may be here already, and stay.
    if ((madeOf(list, record.scope)?.number ?? 0n) <= record.number)
      made.get(list)!.set(record.scope, { number: record.number, signature, lastChange, der });
    refused.delete(keyOf(record));
    return { ...rest, der, maxAge: list.issuer.listMaxAge };
  };

  /** Whether a record says what stands in a list now, by the positions of both. */
  const isCovered = (list: List<Stored>, { position, signature }: CrlRecord): boolean =>
    signature.length > 0 && list.lastChange <= Number(position) && Number(position) <= list.position();

  /** The list of a record, with the contents of now. Undefined when it was made from others. */
  const recall = async (list: List<Stored>, record: CrlRecord): Promise<PublishedCrl | undefined> => {
    if (!list.isLive() || !isCovered(list, record)) return undefined;
    const { lastChange } = list;
    const known = madeOf(list, record.scope);
    if (known?.lastChange === lastChange && known.signature.equals(record.signature))
      return keep(list, record, lastChange, known.der);
    const bytes = await signer.rewrite(list.issuer, record, list);
    return bytes && keep(list, record, lastChange, bytes);
  };

  const issueNext = async (list: List<Stored>, before: CrlRecord): Promise<PublishedCrl | undefined> => {
    await signer.requireUncontradicted(list.issuer, list);
    if (!list.isLive()) return undefined;
    // INVARIANT: the position is the list's own, and nothing is awaited between here and the draft.
    const at = signedAtOf(wholeSeconds(clock()), before.signedAt);
    const record: CrlRecord = {
      ...before,
      number: before.number + 1n,
      signedAt: at,
      // Number 1 is the place of a list that was never signed.
      thisUpdate: thisUpdateOf(at, before.number > 1n ? before.thisUpdate : undefined),
      nextUpdate: addSeconds(at, validSeconds(list.issuer)),
      sameSecond: before.signedAt.getTime() === at.getTime(),
      position: BigInt(list.position()),
    };
    return issue(list, record, (next) => store.swap(next, before.number));
  };

  /** Signs a record and stores it, unless the list was retired meanwhile or another instance was faster. */
  const issue = async (
    list: List<Stored>,
    record: CrlRecord,
    save: (next: CrlRecord) => Promise<boolean>,
  ): Promise<PublishedCrl | undefined> => {
    const { lastChange } = list;
    const signed = await signer.sign(list.issuer, record, list, madeOf(list, record.scope)?.der);
    const next = { ...record, signature: signed.signature };
    const isSaved =
      list.isLive() &&
      (await save(next).catch((error: unknown) => {
        signed.undo();
        throw error;
      }));
    if (!isSaved) return void signed.undo();
    return keep(list, next, lastChange, signed.der);
  };

  /** One at a time for each list: those that wait look again. */
  const alone = (
    { issuer: { notAfter } }: List<Stored>,
    { issuerId, scope }: CrlRecord,
    work: () => Promise<PublishedCrl | undefined>,
  ): Promise<PublishedCrl | undefined> => {
    const key = keyOf({ issuerId, scope });
    const running = publishing.get(key);
    if (running) return running.then(() => undefined);
    const promise = work()
      .catch((error: unknown) => {
        if (error instanceof RefusedList) refused.set(key, { issuerId, scope, reason: error.message, notAfter });
        alarm(error);
        throw error;
      })
      .finally(() => publishing.delete(key));
    publishing.set(key, promise);
    return promise;
  };

  return {
    recall,

    /** Signs and stores the next list of a record. Undefined when another is faster. @throws RefusedList */
    publish: (list: List<Stored>, before: CrlRecord): Promise<PublishedCrl | undefined> =>
      alone(list, before, () => issueNext(list, before)),

    /** Signs a record as it is, at a position that the contents still have. Undefined when `save` says so. @throws RefusedList */
    issue: (
      list: List<Stored>,
      record: CrlRecord,
      save: (next: CrlRecord) => Promise<boolean>,
    ): Promise<PublishedCrl | undefined> =>
      alone(list, record, async () =>
        list.isLive() && list.lastChange <= Number(record.position) ? issue(list, record, save) : undefined,
      ),

    /** Lists of unexpired authorities that could not be published. */
    refused: (): Refused[] => [...refused.values()].filter(({ notAfter }) => notAfter > clock()),

    /** Forgets a refusal: there is no longer such a list. */
    forgive: (list: Pick<CrlRecord, 'issuerId' | 'scope'>): void => void refused.delete(keyOf(list)),
  };
}

function keyOf({ issuerId, scope }: Pick<CrlRecord, 'issuerId' | 'scope'>): string {
  return `${issuerId} ${scope}`;
}
