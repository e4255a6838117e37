import { LRUCache } from 'lru-cache';
import type { Broker, LiveSession, Provided, Why } from '../brokers/broker.js';
import type { Reachability } from './reachability.js';
import type { Turnstile } from './turnstile.js';

/** A user whose sessions have to end. */
export type Cut = Why & {
  thingName: string;
  user: string;
  /** When that was found out, by the monotonic clock in milliseconds. */
  since: number;
  /** Sessions that were seen before any could be one by an answer of now. */
  old: Set<string>;
  /** Sessions that are gone. */
  ended: Set<string>;
  isDone: boolean;
};

/** A session that is gone, after `ms` milliseconds. */
export type Ended = { user: string; thingName: string; why: string; session: string; ms: number };

type Deps = {
  broker: Broker;
  reach: Reachability;
  turn: Turnstile;
  monotonic(): number;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  signal: AbortSignal;
  /** Of one listing. */
  mostSessions: number;
  ended(session: Ended): void;
};

export type Cutter = ReturnType<typeof createCutter>;

// About a second: until then most brokers have closed what they were told to.
const lookAfterMs = [0, 30, 70, 150, 250, 500];
/** In the place of the id of a session, where the broker lists none. */
export const everySession = '*';
const mostSaid = 10_000;
const saidForMs = 60_000;
const againMs = { first: 500, most: 10_000 };

/** Ends the sessions of users, and looks whether they are gone. */
export function createCutter({ broker, reach, turn, monotonic, wait, signal, mostSessions, ended }: Deps) {
  const ask = <Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> =>
    reach.run((given) => turn(() => work(given)));

  const sessionsOf = ({ user }: Cut): Promise<LiveSession[]> => ask((given) => broker.sessionsOf(user, given));

  // Two changes may end the same session: it is said once.
  const said = new LRUCache<string, true>({ max: mostSaid, ttl: saidForMs });

  const note = (cut: Cut, session: string): void => {
    const key = `${cut.user} ${session}`;
    if (cut.ended.has(session) || (session !== everySession && said.has(key))) return;
    cut.ended.add(session);
    said.set(key, true);
    const { user, thingName, reason } = cut;
    ended({ user, thingName, why: reason, session, ms: Math.round(monotonic() - cut.since) });
  };

  const isGone = (cut: Cut, left: LiveSession[]): boolean =>
    cut.kind === 'barred' ? left.length === 0 : left.every(({ id }) => !cut.old.has(id));

  /** Gives the order, and returns whether whoever had to leave is gone: who is barred altogether, of others the sessions that are old. */
  const order = async (cut: Cut, before: LiveSession[]): Promise<boolean> => {
    if (cut.kind === 'barred' && broker.bar) await ask((given) => broker.bar!(cut.user, cut.reason, given));
    await ask((given) => broker.end(cut.user, given));
    if (broker.isBlind) note(cut, everySession);
    for (const ms of lookAfterMs) {
      if (ms > 0) await wait(ms, signal);
      const left = await sessionsOf(cut);
      const ids = new Set(left.map(({ id }) => id));
      for (const { id } of before) if (!ids.has(id)) note(cut, id);
      if (isGone(cut, left)) return true;
    }
    return false;
  };

  const first = async (cut: Cut): Promise<boolean> => {
    const before = await sessionsOf(cut);
    for (const { id } of before) cut.old.add(id);
    return order(cut, before);
  };

  return {
    /** One order, and a look for a second: others follow. Of those who may come back, sessions that are new are left until the last. */
    async once(cut: Cut, isFirst: boolean): Promise<void> {
      if (isFirst || cut.kind === 'barred') return void (await first(cut));
      const before = await sessionsOf(cut);
      const isLeft = before.some(({ id }) => cut.old.has(id));
      for (const { id } of before) cut.old.add(id);
      if (isLeft) await order(cut, before);
    },

    /** Orders until everybody is gone who has to be: from now on no new session is one by an old answer. */
    async finally(cut: Cut): Promise<void> {
      let isOver = await first(cut);
      for (let times = 0; !isOver; times++) {
        await wait(Math.min(againMs.first * 2 ** Math.min(times, 10), againMs.most), signal);
        isOver = await order(cut, await sessionsOf(cut));
      }
    },

    /** A user may come back. */
    async admit(user: string): Promise<void> {
      if (broker.admit) await ask((given) => broker.admit!(user, given));
    },

    /** Asks whether the broker answers: of one that lists nothing, nothing else would show it. */
    greet: async (): Promise<void> => void (await ask((given) => broker.check(given))),

    /** Brings the broker's own users in step. Resolves with how many somebody else had changed. */
    provide: async (users: readonly Provided[], isWhole: boolean): Promise<number> =>
      broker.provide ? ask((given) => broker.provide!(users, isWhole, given)) : 0,

    /** All that are live: how many sessions of each user. @throws Error when the signal ended it */
    live: (): Promise<Map<string, number>> =>
      ask(async (given) => {
        const found = new Map<string, number>();
        let count = 0;
        for await (const page of broker.sessions(given)) {
          count += page.length;
          if (count > mostSessions)
            throw new Error(`it lists more than ${mostSessions} sessions: raise limits.sessions`);
          for (const { user } of page) found.set(user, (found.get(user) ?? 0) + 1);
        }
        return found;
      }),
  };
}
