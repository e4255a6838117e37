import { randomUUID } from 'node:crypto';
import type { Change, Gate, Guest } from '../gate.js';
import type { Spoken } from '../settings/config-shapes.js';

/** Why a session ends: a reason code of MQTT 5, and words for the device. */
export type Ending = { code: number; text: string };

/** What can be ended: a connection with all that it has under way, in both directions. */
export type Live = {
  /** As it is now: a session that authenticates again has another guest. */
  guest(): Guest;
  protocol: Spoken;
  sourceIp: string;
  clientId?: string | undefined;
  fingerprint?: string | undefined;
  /** Judges everything that it does now. The change may say what to look at; without one, everything. */
  recheck(change: Change | undefined): Ending | undefined;
  /** One side closed it already: whoever ends it now did not. */
  isOver(): boolean;
  /** Resolves when the sockets on both sides are destroyed. */
  end(ending: Ending): Promise<void>;
};

/** A session in the table. */
export type Session = Live & { id: string; connectedAt: number };

/** What calls back later. Times are in milliseconds. */
export type Timers = { set(run: () => void, ms: number): unknown; clear(timer: unknown): void };

/** Real time. */
export const systemTimers: Timers = {
  set: (run, ms) => setTimeout(run, ms),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

type Options = {
  gate: Pick<Gate, 'now' | 'trust'>;
  timers: Timers;
  opened(session: Session): void;
  /** `ending` is undefined when the device or the upstream left by itself. */
  closed(session: Session, ending: Ending | undefined): void;
};

type Entry = {
  session: Session;
  ending: Ending | undefined;
  done: Promise<void> | undefined;
  /** The second in which it is looked at again. */
  due: number;
  /** It is no longer in the table. */
  hasLeft: boolean;
};

const sliceMs = 4;
const lookEvery = 8;
// The followed clock may jump forward at any moment: it is looked at this often.
const mostWaitMs = 200;

export type Sessions = ReturnType<typeof createSessions>;

/** All that is live at this edge. What is in the table is judged again at each change, and when time may have changed a right. */
export function createSessions({ gate, timers, opened, closed }: Options) {
  const entries = new Map<string, Entry>();
  const ofThing = new Map<string, Set<Entry>>();
  const dueAt = new Map<number, Set<Entry>>();
  let checkedTo = Math.floor(gate.now() / 1000);
  let trust = gate.trust();
  let timer: unknown;
  let checking: Promise<unknown> | undefined;

  const schedule = (entry: Entry): void => {
    const due = Math.max(Math.ceil(entry.session.guest().expiresAt / 1000), checkedTo + 1);
    if (due === entry.due) return;
    unschedule(entry);
    entry.due = due;
    addTo(dueAt, due, entry);
  };
  const unschedule = (entry: Entry): void => removeFrom(dueAt, entry.due, entry);

  const endEntry = (entry: Entry, ending: Ending): Promise<void> => {
    if (entry.done) return entry.done;
    if (!entry.session.isOver()) entry.ending = ending;
    entry.done = ended(entry.session, ending).then(() => leave(entry));
    return entry.done;
  };

  const leave = (entry: Entry): void => {
    const { id } = entry.session;
    if (entry.hasLeft) return;
    entry.hasLeft = true;
    entries.delete(id);
    removeFrom(ofThing, entry.session.guest().thingName, entry);
    unschedule(entry);
    closed(entry.session, entry.ending);
  };

  /** Ends those that a change contradicts, and waits for those that end already. Resolves with the number that it ended. */
  const judge = async (some: Iterable<Entry>, change: Change | undefined): Promise<number> => {
    const ends: Promise<void>[] = [];
    let ended = 0;
    let looked = 0;
    let sliceFrom = performance.now();
    for (const entry of some) {
      if (++looked % lookEvery === 0 && performance.now() - sliceFrom >= sliceMs) {
        await new Promise((resolve) => setImmediate(resolve));
        sliceFrom = performance.now();
      }
      if (entry.hasLeft) continue;
      const ending = entry.done ? undefined : endingOf(entry, change);
      if (ending && !entry.session.isOver()) ended++;
      if (ending) void endEntry(entry, ending);
      else if (!entry.done) schedule(entry);
      if (entry.done) ends.push(entry.done);
    }
    await Promise.all(ends);
    return ended;
  };

  const judgeAll = (change: Change | undefined): Promise<number> => judge([...entries.values()], change);

  const tick = (): void => {
    const second = Math.floor(gate.now() / 1000);
    const isNewMinute = Math.floor(second / 60) !== Math.floor(checkedTo / 60);
    const trustNow = gate.trust();
    const due = second > checkedTo ? takeDue(checkedTo + 1, second) : [];
    checkedTo = Math.max(checkedTo, second);
    if (due.length > 0) judge(due, undefined).catch(() => {});
    // Windows begin and end at whole minutes.
    if ((isNewMinute || trustNow !== trust) && !checking)
      checking = judgeAll(undefined)
        .catch(() => {})
        .finally(() => (checking = undefined));
    trust = trustNow;
    timer = timers.set(tick, Math.min(mostWaitMs, 1001 - (gate.now() % 1000)));
  };

  const takeDue = (from: number, to: number): Entry[] => {
    const found: Entry[] = [];
    // After a jump of hours it is shorter to look at all of them.
    if (to - from > dueAt.size) {
      for (const [second, some] of dueAt) if (second <= to) found.push(...some);
    } else for (let second = from; second <= to; second++) found.push(...(dueAt.get(second) ?? []));
    return found;
  };

  timer = timers.set(tick, mostWaitMs);

  return {
    /**
     * Puts a session into the table, judged by what is known now: whatever changed since it was let in counts. It must be here
     * before the first octet of it reaches the upstream. Call `leave` when both of its sockets are destroyed.
     */
    add(live: Live): { id: string; leave(): void } | { refused: Ending } {
      const refused = live.recheck(undefined);
      if (refused) return { refused };
      const session: Session = { ...live, id: randomUUID(), connectedAt: gate.now() };
      const entry: Entry = { session, ending: undefined, done: undefined, due: 0, hasLeft: false };
      entries.set(session.id, entry);
      addTo(ofThing, live.guest().thingName, entry);
      schedule(entry);
      opened(session);
      return { id: session.id, leave: () => leave(entry) };
    },

    /** Ends every session that a change contradicts. Resolves with their number once the sockets of all of them are destroyed. */
    async enforce(change: Change): Promise<number> {
      const asked = [...change.sessions].flatMap((id) => entries.get(id) ?? []);
      const kicked = asked.filter(({ done, session }) => !done && !session.isOver()).length;
      const ends = asked.map((entry) => endEntry(entry, { code: 0x98, text: 'ended by an operator: connect again' }));
      const some = change.everything
        ? [...entries.values()]
        : [...change.things].flatMap((name) => [...(ofThing.get(name) ?? [])]);
      const ended = await judge(some, change);
      await Promise.all(ends);
      return kicked + ended;
    },

    /** Ends those of some protocols, and resolves when they are gone. */
    async endAll(ending: Ending, protocols: readonly Spoken[]): Promise<void> {
      const some = [...entries.values()].filter(({ session }) => protocols.includes(session.protocol));
      await Promise.all(some.map((entry) => endEntry(entry, ending)));
    },

    size: (): number => entries.size,

    /** Judges nothing any longer. */
    close: () => timers.clear(timer),
  };
}

/** Resolves when a session is ended. Never, where that failed: nobody may say then that its sockets are gone. */
async function ended(session: Session, ending: Ending): Promise<void> {
  try {
    await session.end(ending);
  } catch {
    await new Promise(() => {});
  }
}

function endingOf({ session }: Entry, change: Change | undefined): Ending | undefined {
  try {
    return session.recheck(change);
  } catch {
    return { code: 0x87, text: 'the rights of this session cannot be decided' };
  }
}

function addTo<Key>(sets: Map<Key, Set<Entry>>, key: Key, entry: Entry): void {
  const some = sets.get(key);
  if (some) some.add(entry);
  else sets.set(key, new Set([entry]));
}

function removeFrom<Key>(sets: Map<Key, Set<Entry>>, key: Key, entry: Entry): void {
  const some = sets.get(key);
  if (some?.delete(entry) && some.size === 0) sets.delete(key);
}
