import { LRUCache } from 'lru-cache';
import { toKnown, type KnownPrincipal, type RegisteredPrincipal } from '../../authorize/rights.js';
import type { Snapshot } from '../../authorize/snapshot.js';
import { parseCursor } from '../../log/cursor.js';
import type { LogEntry } from '../../log/entries.js';
import { ControlPlaneError, type ControlPlane } from './control-plane.js';

/** A holder of a certificate, as `POST /v1/edge/principals` shows it. */
export type ShownPrincipal = Omit<RegisteredPrincipal, 'account' | 'name' | 'reason' | 'notAfter' | 'otherRevoked'> & {
  thingName: string;
  notAfter: string;
  reason?: string | undefined;
};

type Answer = { principals: (ShownPrincipal | null)[]; cursor: string };

type Kept = { shown: ShownPrincipal; known: KnownPrincipal };
type Waiting = { fingerprint: string; resolve(found: KnownPrincipal | undefined): void; reject(error: Error): void };

type Deps = {
  controlPlane: Pick<ControlPlane, 'post'>;
  snapshot: Snapshot;
  /** The place that is applied here. */
  cursor(): string;
  /** The account of this edge. */
  account(): string;
};

export type Principals = ReturnType<typeof createPrincipals>;

const mostKept = 200_000;
const mostWaiting = 20_000;
// As many as have sessions here, at most.
const mostReadAgain = 20_000;
const atOnce = 500;

/** Who holds certificates: asked once, and kept true by the log. Nobody who is not found is kept. */
export function createPrincipals({ controlPlane, snapshot, cursor, account }: Deps) {
  const byThing = new Map<string, Set<string>>();
  const kept = new LRUCache<string, Kept>({
    max: mostKept,
    noDisposeOnSet: true,
    dispose: (each, fingerprint) => unlink(fingerprint, each),
  });
  const asked = new Map<string, Promise<KnownPrincipal | undefined>>();
  let waiting: Waiting[] = [];
  let asking = false;

  const unlink = (fingerprint: string, { known }: Kept): void => {
    const others = byThing.get(known.name);
    others?.delete(fingerprint);
    if (others?.size === 0) byThing.delete(known.name);
  };

  /** What the log says of a holder that is not in what was read. Whatever was applied up to the change counts. */
  const revise = (each: Kept): Kept => {
    const change = snapshot.changeOf(each.known.key);
    if (!change || change.position <= each.known.position) return keepAs(each);
    const { thingId, status, rights } = change;
    const isAnother = change.gen === 0 || (thingId !== undefined && thingId !== each.shown.thingId);
    const certificate = snapshot.certificateChange(each.shown.fingerprint);
    const shown: ShownPrincipal = {
      ...each.shown,
      ...(status === undefined ? {} : { status }),
      ...(rights
        ? { attributes: { ...rights.attributes }, policies: [...rights.policies], segment: rights.segment }
        : {}),
      ...(certificate ? { reason: certificate.reason } : {}),
      // Another thing has the name by now.
      ...(isAnother ? { status: 'revoked' } : {}),
    };
    return keepAs({ shown, known: toKnown(snapshot, registered(shown, account()), change.position) });
  };

  const keepAs = (each: Kept): Kept => {
    kept.set(each.shown.fingerprint, each);
    return each;
  };

  const keep = (shown: ShownPrincipal, position: number): KnownPrincipal => {
    const { known } = revise({ shown, known: toKnown(snapshot, registered(shown, account()), position) });
    const others = byThing.get(known.name) ?? new Set();
    byThing.set(known.name, others.add(shown.fingerprint));
    return known;
  };

  const post = (fingerprints: string[], atLeast: string): Promise<Answer> =>
    controlPlane.post<Answer>('/v1/edge/principals', { fingerprints, atLeast });

  const askFor = async (batch: Waiting[]): Promise<void> => {
    try {
      const fingerprints = batch.map(({ fingerprint }) => fingerprint);
      const answer = await post(fingerprints, cursor());
      const { epoch, position } = parseCursor(answer.cursor);
      if (epoch !== parseCursor(cursor()).epoch)
        throw new ControlPlaneError('away', 'the database was restored: everything is read again');
      batch.forEach(({ resolve }, index) => {
        const shown = answer.principals[index];
        resolve(shown ? keep(shown, position) : undefined);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error as Error);
    }
  };

  const askAll = async (): Promise<void> => {
    // One turn of the loop: what arrives together is asked together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) await askFor(waiting.splice(0, atOnce));
    asking = false;
  };

  const ask = (fingerprint: string): Promise<KnownPrincipal | undefined> => {
    if (waiting.length >= mostWaiting)
      return Promise.reject(new ControlPlaneError('away', 'too many certificates wait to be asked about'));
    const answer = new Promise<KnownPrincipal | undefined>((resolve, reject) =>
      waiting.push({ fingerprint, resolve, reject }),
    ).finally(() => asked.delete(fingerprint));
    asked.set(fingerprint, answer);
    if (!asking) {
      asking = true;
      void askAll();
    }
    return answer;
  };

  return {
    /** The holder as it is known here now; undefined when it has to be asked for. */
    known: (fingerprint: string): KnownPrincipal | undefined => kept.get(fingerprint)?.known,

    /** The holder; undefined when the account has no such certificate. @throws ControlPlaneError */
    find(fingerprint: string): KnownPrincipal | Promise<KnownPrincipal | undefined> {
      return kept.get(fingerprint)?.known ?? asked.get(fingerprint) ?? ask(fingerprint);
    },

    /** After the snapshot has applied an entry. */
    apply(entry: LogEntry): void {
      if (!('payload' in entry) || !isOfThing(entry)) return;
      for (const fingerprint of byThing.get(entry.payload.thingName) ?? []) {
        const each = kept.peek(fingerprint);
        if (each) revise(each);
      }
    },

    /** Puts back what was kept before a restart, read at a position. */
    load(shown: readonly ShownPrincipal[], position: number): void {
      for (const each of shown) keep(each, position);
    },
    /** What can be put back: the most recently used first, no more than `most`. */
    dump: (most: number): ShownPrincipal[] => [...kept.values()].slice(0, most).map(({ shown }) => shown),

    /** Those who were asked about most recently, as they are at another place in the log or after it. @throws ControlPlaneError */
    async readAgain(atLeast: string): Promise<Answer[]> {
      const fingerprints = [...kept.keys()].slice(0, mostReadAgain);
      const answers: Answer[] = [];
      for (let from = 0; from < fingerprints.length; from += atOnce)
        answers.push(await post(fingerprints.slice(from, from + atOnce), atLeast));
      return answers;
    },

    /** Everybody is unknown, except who was read again. */
    replace(answers: readonly Answer[]): void {
      clear();
      for (const { principals, cursor: at } of answers)
        for (const shown of principals) if (shown) keep(shown, parseCursor(at).position);
    },
    size: (): number => kept.size,
  };

  function clear(): void {
    kept.clear();
    byThing.clear();
    for (const { reject } of waiting) reject(new ControlPlaneError('away', 'everything is read again'));
    waiting = [];
  }
}

function registered({ thingName, notAfter, reason, ...rest }: ShownPrincipal, account: string): RegisteredPrincipal {
  return {
    ...rest,
    account,
    name: thingName,
    notAfter: new Date(notAfter),
    reason: reason ?? null,
    otherRevoked: false,
  };
}

const ofThings = ['certificate', 'release', 'thing', 'thing-changed'] as const;
type OfThing = Extract<LogEntry, { type: (typeof ofThings)[number] }>;

function isOfThing(entry: LogEntry): entry is OfThing {
  return (ofThings as readonly string[]).includes(entry.type);
}
