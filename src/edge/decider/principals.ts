import { LRUCache } from 'lru-cache';
import { toKnown, type KnownPrincipal, type RegisteredPrincipal } from '../../authorize/rights.js';
import type { Snapshot } from '../../authorize/snapshot.js';
import { parseCursor } from '../../log/cursor.js';
import type { LogEntry } from '../../log/entries.js';
import type { ControlPlane } from './control-plane.js';
import { isOfThing } from './known.js';
import { createPrincipalQueue, type PrincipalAnswer, type ShownPrincipal } from './principal-queue.js';

/** A holder as it was shown, and the same ready to be judged. */
export type Kept = { readonly shown: ShownPrincipal; readonly known: KnownPrincipal };

type Deps = {
  controlPlane: Pick<ControlPlane, 'post'>;
  snapshot: Snapshot;
  /** The place that is applied here. */
  cursor(): string;
  /** The account of this edge. */
  account(): string;
  /** Told of every holder that was learned, and at what place in the log. */
  learned(shown: ShownPrincipal, position: number): void;
};

export type Principals = ReturnType<typeof createPrincipals>;

const mostKept = 100_000;
// As many as have sessions here, at most.
const mostReadAgain = 20_000;
const atOnce = 500;

/** Who holds certificates: asked once, and kept true by the log. Nobody who is not found is kept. */
export function createPrincipals({ controlPlane, snapshot, cursor, account, learned }: Deps) {
  const byThing = new Map<string, Set<string>>();
  const kept = new LRUCache<string, Kept>({
    max: mostKept,
    noDisposeOnSet: true,
    dispose: (each, fingerprint) => unlink(fingerprint, each),
  });

  const unlink = (fingerprint: string, { known }: Kept): void => {
    const others = byThing.get(known.name);
    others?.delete(fingerprint);
    if (others?.size === 0) byThing.delete(known.name);
  };

  /** A holder with what the log says since it was read. */
  const revised = (each: Kept): Kept => {
    const change = snapshot.changeOf(each.known.key);
    if (!change || change.position <= each.known.position) return each;
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
      // Another thing has the name by now, or none.
      ...(isAnother ? { status: 'revoked' } : {}),
    };
    return keptAt(shown, change.position);
  };

  const keptAt = (shown: ShownPrincipal, position: number): Kept => ({
    shown,
    known: toKnown(snapshot, registered(shown, account()), position),
  });

  const keep = (shown: ShownPrincipal, position: number): KnownPrincipal => {
    const each = revised(keptAt(shown, position));
    kept.set(shown.fingerprint, each);
    const others = byThing.get(each.known.name) ?? new Set();
    byThing.set(each.known.name, others.add(shown.fingerprint));
    return each.known;
  };

  const learn = (shown: ShownPrincipal, position: number): KnownPrincipal => {
    learned(shown, position);
    return keep(shown, position);
  };

  const post = (fingerprints: string[], atLeast: string): Promise<PrincipalAnswer> =>
    controlPlane.post<PrincipalAnswer>('/v1/edge/principals', { fingerprints, atLeast });

  const queue = createPrincipalQueue({ post, cursor, learn, atOnce });

  return {
    /** The holder as it is known here now; undefined when it has to be asked for. */
    kept: (fingerprint: string): Kept | undefined => kept.get(fingerprint),

    revised,

    /** The holder; undefined when the account has no such certificate. @throws ControlPlaneError */
    find(fingerprint: string): KnownPrincipal | Promise<KnownPrincipal | undefined> {
      return kept.get(fingerprint)?.known ?? queue.ask(fingerprint);
    },

    /** The same for a guest who is here already, before those who are not. @throws ControlPlaneError */
    findFirst: async (fingerprint: string): Promise<KnownPrincipal | undefined> =>
      kept.get(fingerprint)?.known ?? queue.askFirst(fingerprint),

    /** Whether the thing of a revoked certificate has no other to come back with, as it is now. @throws ControlPlaneError */
    async isLast(fingerprint: string): Promise<boolean> {
      await queue.askFirst(fingerprint);
      const shown = kept.get(fingerprint)?.shown;
      return shown?.status === 'revoked' || shown?.otherLive === false;
    },

    /** After the snapshot has applied an entry. */
    apply(entry: LogEntry): void {
      if (!isOfThing(entry)) return;
      for (const fingerprint of byThing.get(entry.payload.thingName) ?? []) {
        const each = kept.peek(fingerprint);
        if (each) kept.set(fingerprint, revised(each));
      }
    },

    /** Puts back what was kept before a restart, read at a position. */
    restore: keep,

    /** What can be put back: the most recently used last, no more than `most`. */
    dump: (most: number): { shown: ShownPrincipal; position: number }[] =>
      [...kept.values()]
        .slice(0, most)
        .reverse()
        .map(({ shown, known }) => ({ shown, position: known.position })),

    /** Those who were asked about most recently, as they are at another place in the log or after it. @throws ControlPlaneError */
    async readAgain(atLeast: string): Promise<PrincipalAnswer[]> {
      const fingerprints = [...kept.keys()].slice(0, mostReadAgain);
      const answers: PrincipalAnswer[] = [];
      for (let from = 0; from < fingerprints.length; from += atOnce)
        answers.push(await post(fingerprints.slice(from, from + atOnce), atLeast));
      return answers;
    },

    /** Everybody is unknown, except who was read again. */
    replace(answers: readonly PrincipalAnswer[]): void {
      kept.clear();
      byThing.clear();
      // Used most recently first: the last one put back is the first to be used.
      for (const { principals, cursor: at } of [...answers].reverse())
        for (const shown of [...principals].reverse()) if (shown) keep(shown, parseCursor(at).position);
    },
    size: (): number => kept.size,
  };
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
