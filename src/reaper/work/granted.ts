import type { createStateFolder } from '../../edge/state/stored.js';
import type { Standing } from './things.js';
import type { Digest } from './rights.js';

/** What the live sessions of a thing were given. */
export type Grant = Pick<Standing, 'rights' | 'until' | 'revoked' | 'position'> & {
  /** The thing may not be here at all: it has no session. */
  isBarred: boolean;
};

type Stored = [thingName: string, revoked: number, position: number, rights: Digest | null, isBarred: boolean];

const gone = -1;
// In the mark of what is kept, until the first comparison is done.
const beginning = 'first comparison';

type Deps = {
  folder: Pick<ReturnType<typeof createStateFolder>, 'read' | 'replace' | 'append' | 'isFull' | 'prepare'>;
  now(): number;
  most: number;
};

export type Granted = ReturnType<typeof createGranted>;

/**
 * What sessions were given, for each thing that was seen at a broker. It changes only when no live session has more than that, and
 * outlives the process: whatever was taken away while nobody looked shows in it.
 */
export function createGranted({ folder, now, most }: Deps) {
  const grants = new Map<string, Grant>();
  let changed = new Set<string>();
  let isAnew = true;
  let isFirst = true;
  // What is kept says whether the first comparison is done.
  let isMarked = true;
  let writing: Promise<void> = Promise.resolve();

  const storedOf = (name: string): Stored => {
    const grant = grants.get(name);
    if (!grant) return [name, gone, 0, null, false];
    return [name, grant.revoked, grant.position, grant.rights ?? null, grant.isBarred];
  };

  const forget = (thingName: string): void => {
    if (grants.delete(thingName)) changed.add(thingName);
  };

  const write = async (): Promise<void> => {
    if (!isAnew && isMarked && changed.size === 0) return;
    const mark = { cursor: isFirst ? beginning : '', serverTime: now(), wall: now(), usedMs: 0, refused: false };
    const names = [...changed];
    const all = isAnew || folder.isFull();
    changed = new Set();
    isMarked = true;
    try {
      if (all) await folder.replace([...grants.keys()].map(storedOf), mark);
      else await folder.append(names.map(storedOf), mark);
      isAnew = false;
    } catch (error) {
      isAnew = true;
      throw error;
    }
  };

  return {
    /** Takes up what was kept. Returns why there is nothing; undefined when there is. */
    async restore(): Promise<string | undefined> {
      await folder.prepare();
      const found = await folder.read();
      if ('reason' in found) return found.reason;
      for (const [name, revoked, position, rights, isBarred] of found.records as Stored[])
        if (revoked === gone) grants.delete(name);
        else grants.set(name, { revoked, position, rights: rights ?? undefined, until: Infinity, isBarred });
      isAnew = false;
      isFirst = found.mark.cursor === beginning;
      return undefined;
    },

    /** No comparison was ever done, by earlier runs neither: nobody knows what sessions were given that began before. */
    isFirst: (): boolean => isFirst,

    of: (thingName: string): Grant | undefined => grants.get(thingName),

    /** No live session of a thing has more than it may now. */
    set(thingName: string, grant: Grant): void {
      const present = grants.get(thingName);
      if (present && present.position > grant.position) return;
      if (!present && grants.size >= most) forget(grants.keys().next().value!);
      grants.set(thingName, grant);
      changed.add(thingName);
    },

    forget,

    size: (): number => grants.size,
    names: (): string[] => [...grants.keys()],

    /** Things whose rights or certificates time may have ended. */
    due(at: number): string[] {
      const names: string[] = [];
      for (const [name, { until }] of grants) if (until <= at) names.push(name);
      return names;
    },

    /** Writes what changed, once at a time. @throws Error when it cannot be written */
    keep(): Promise<void> {
      const mine = writing.then(write);
      writing = mine.catch(() => {});
      return mine;
    },

    /** The first comparison is done. */
    began(): void {
      if (isFirst) isMarked = false;
      isFirst = false;
    },
  };
}
