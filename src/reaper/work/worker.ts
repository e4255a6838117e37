import type { Change } from '../../edge/gate.js';
import type { FollowedLog } from '../../edge/decider/parts.js';
import type { Broker } from '../brokers/broker.js';
import { createAsking } from './asking.js';
import { createVerdicts, type Question } from './changes.js';
import { createCutter, type Cut, type Ended } from './cutter.js';
import type { Grant, Granted } from './granted.js';
import { createProviding } from './providing.js';
import { createReachability } from './reachability.js';
import { eitherOf } from './rights.js';
import type { Standing, Things } from './things.js';
import { createTurnstile, forEach } from './turnstile.js';
import type { Users } from './users.js';

/** What one broker is looked after with. */
export type WorkerDeps = {
  broker: Broker;
  users: Users;
  granted: Granted;
  things: Things;
  log: FollowedLog;
  /** How long the broker was told that it may remember a yes, in milliseconds. */
  validityMs: number;
  /** How often all its sessions are looked at, in milliseconds. */
  lookEveryMs: number;
  concurrency: number;
  mostSessions: number;
  monotonic(): number;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  random(): number;
  signal: AbortSignal;
  ended(session: Ended): void;
  /** So many of the broker's own users or roles were not as they should be. */
  mended(count: number): void;
  /** The broker, the control plane or the disk failed; it is tried again. */
  failed(error: Error, of: 'broker' | 'questions' | 'state'): void;
  works(of: 'broker' | 'questions' | 'state'): void;
};

export type Worker = ReturnType<typeof createWorker>;

const firstLookMs = 1000;
const tickMs = 1000;
const leastUntilMs = 1000;
const driftEveryMs = 30_000;
const always = (): boolean => true;

/**
 * Ends what contradicts the log at one broker, and knows when nothing does. A change is looked at several times: at once, after a second,
 * after the lag of the listings, and after the longest time for which the broker may let somebody in again by an old answer.
 */
export function createWorker(deps: WorkerDeps) {
  const { broker, users, granted, things, log, monotonic, wait, signal, failed, works } = deps;
  const turn = createTurnstile(deps.concurrency);
  const reach = createReachability({
    check: (given) => broker.check(given),
    wait,
    ended: signal,
    random: deps.random,
    failed: (error) => failed(error, 'broker'),
    works: () => works('broker'),
  });
  const { patiently, standingsOf } = createAsking({ things, log, wait, signal, failed, works });
  const cutter = createCutter({ ...deps, reach, turn });
  const provide = createProviding({
    isAsked: broker.provide !== undefined,
    cutter,
    users,
    mended: (count) => void (hasCompared && count > 0 && deps.mended(count)),
  });
  const verdictOf = createVerdicts({ granted, isSuspended: log.isSuspended, isBlind: broker.isBlind === true });
  // From the second of these on, whoever comes does so by an answer that knows of the change, and is seen by user; then in listings too.
  const freshAtMs = deps.validityMs + (broker.userLagMs ?? broker.lagMs);
  const lastAtMs = deps.validityMs + broker.lagMs;
  const looksAt = broker.isBlind ? [0, lastAtMs] : [0, firstLookMs, broker.lagMs, freshAtMs, lastAtMs];
  const looksAtMs = [...new Set(looksAt)].sort((a, b) => a - b);
  let jobs = 0;
  let begun = 0;
  let intruders = 0;
  let hasCompared = false;
  let sessions = 0;

  /** Who may be at the broker. */
  const liveNames = async (): Promise<string[]> => {
    if (broker.isBlind) {
      await cutter.greet();
      return patiently(async () => (log.isSuspended() ? granted.names() : things.names()));
    }
    const live = await cutter.live();
    sessions = [...live.values()].reduce((sum, some) => sum + some, 0);
    return [...live.keys()].flatMap((user) => users.thingOf(user) ?? []);
  };

  /** What the broker itself knows of things, unless something changed since that was read. */
  const provideAll = async (): Promise<void> => {
    if (!broker.provide || jobs > 0) return;
    const before = begun;
    const standings = await standingsOf(await liveNames(), log.cursor());
    if (!log.isSuspended()) await provide(standings.values(), true, () => begun === before);
  };

  /** Whom a job has judged, and whom it cuts. */
  type Job = Question & { since: number; judged: Map<string, Standing | undefined>; cuts: Map<string, Cut> };

  const begin = (question: Question): Job => ({ ...question, since: monotonic(), judged: new Map(), cuts: new Map() });

  const judge = async (job: Job, names: readonly string[]): Promise<void> => {
    const unknown = [...new Set(names)].filter((name) => !job.judged.has(name));
    if (unknown.length === 0) return;
    const standings = await standingsOf(unknown, log.cursor());
    // Denied first, and ended then.
    await provide(standings.values(), false, always);
    for (const thingName of unknown) {
      const standing = standings.get(thingName);
      const why = verdictOf(thingName, standing, job);
      job.judged.set(thingName, standing);
      const { since } = job;
      const user = users.userOf(thingName);
      if (why)
        job.cuts.set(thingName, { ...why, thingName, user, since, old: new Set(), ended: new Set(), isDone: false });
      if (standing) widen(standing, why !== undefined, job.adopts);
      if (standing && standing.barred === undefined && job.things.has(thingName)) await cutter.admit(user);
    }
    if (job.adopts) await keep();
  };

  /** From now on sessions may have what is given now, beside what those have that are not ended yet. */
  const widen = (standing: Standing, isCut: boolean, adopts: boolean): void => {
    const present = granted.of(standing.thingName);
    if (!isCut && (present || adopts)) return grant(standing);
    if (!present || standing.barred !== undefined) return;
    const { position, rights, until } = standing;
    granted.set(standing.thingName, {
      ...present,
      position,
      until,
      rights: eitherOf(present.rights, rights),
      isBarred: false,
    });
  };

  /** Who was barred may be back by now. */
  const judgeBarred = async (job: Job): Promise<void> => {
    const barred = [...job.cuts.values()].filter(({ kind }) => kind === 'barred').map(({ thingName }) => thingName);
    if (barred.length === 0) return;
    const standings = await standingsOf(barred, log.cursor());
    for (const [name, standing] of standings) {
      if (standing.barred !== undefined) continue;
      job.judged.set(name, standing);
      job.cuts.get(name)!.kind = 'cut';
      await cutter.admit(users.userOf(name));
    }
  };

  const cutAll = (job: Job, nth: number): Promise<void> =>
    forEach([...job.cuts.values()], deps.concurrency, async (cut) => {
      if (cut.isDone && cut.kind === 'cut') return;
      const isFirst = !cut.isDone && cut.old.size === 0;
      cut.isDone = looksAtMs[nth]! >= freshAtMs;
      if (cut.isDone) await cutter.finally(cut);
      else await cutter.once(cut, isFirst);
    });

  const grant = (standing: Standing): void => {
    const until = Math.max(standing.until, log.now() + leastUntilMs);
    granted.set(standing.thingName, { ...standing, until, isBarred: standing.barred !== undefined });
  };

  /** No live session of these has more than it may. */
  const settle = (job: Job): Promise<void> => {
    for (const [name, standing] of job.judged) {
      if (!standing) granted.forget(name);
      else grant(standing);
    }
    return keep();
  };

  const keep = (): Promise<void> =>
    granted.keep().then(
      () => works('state'),
      (error: Error) => failed(error, 'state'),
    );

  /** Looks as often as it has to; `namesNow` says at whom. Resolves with the number of sessions that it ended. */
  const run = async (job: Job, namesNow: () => Promise<readonly string[]>): Promise<number> => {
    jobs++;
    begun++;
    try {
      for (const [nth, atMs] of looksAtMs.entries()) {
        const left = job.since + atMs - monotonic();
        if (left > 0) await wait(left, signal);
        await judge(job, await namesNow());
        if (nth > 0) await judgeBarred(job);
        await cutAll(job, nth);
      }
      await settle(job);
      return broker.isBlind ? 0 : [...job.cuts.values()].reduce((sum, { ended }) => sum + ended.size, 0);
    } finally {
      jobs--;
    }
  };

  const ofThings = (names: ReadonlySet<string>): Promise<number> =>
    run(begin({ things: names, adopts: false }), async () => [...names]);

  const ofEverything = (names: ReadonlySet<string>, adopts: boolean): Promise<number> =>
    run(begin({ things: names, adopts }), async () => [...names, ...granted.names(), ...(await liveNames())]);

  /** Compares all that is live with what is so now: what happened while nobody looked shows. */
  const compare = async (): Promise<void> => {
    await provideAll();
    await ofEverything(new Set(), granted.isFirst());
    granted.began();
    await keep();
    hasCompared = true;
    log.confirm();
  };

  /** Whoever came meanwhile is known from now on, unless something changed while that was found out. */
  const look = async (): Promise<void> => {
    if (jobs > 0) return;
    const before = begun;
    const names = (await liveNames()).filter((name) => isNews(granted.of(name)));
    if (names.length === 0) return;
    const standings = await standingsOf(names, log.cursor());
    await provide(standings.values(), false, () => begun === before);
    if (begun !== before) return;
    const barred = new Set<string>();
    for (const [name, standing] of standings)
      if (standing.barred !== undefined && !broker.isBlind) barred.add(name);
      else grant(standing);
    if (barred.size === 0) return keep();
    intruders++;
    await ofThings(barred).finally(() => intruders--);
    log.confirm();
  };

  /** Nobody has looked at a thing yet, or it may not be here and is. */
  const isNews = (present: Grant | undefined): boolean =>
    present === undefined || (present.isBarred && broker.isBlind !== true);

  const repeat = async (everyMs: number, work: () => Promise<unknown>): Promise<void> => {
    while (!signal.aborted) {
      await wait(everyMs, signal);
      await work();
    }
  };

  const expire = async (): Promise<void> => {
    const due = granted.due(log.now());
    if (due.length > 0) await ofThings(new Set(due));
  };

  return {
    /** Ends the sessions that a change contradicts. Resolves with their number once they are gone. */
    async enforce({ things: names, everything }: Change): Promise<number> {
      try {
        if (everything) return await ofEverything(names, false);
        return names.size > 0 ? await ofThings(names) : 0;
      } catch (error) {
        if (!signal.aborted) throw error;
        // Nobody may say that it was done: the next run does it.
        return new Promise(() => {});
      }
    },

    /** Whether nothing live may contradict what was enforced before. */
    isClear: (): boolean => hasCompared && intruders === 0,
    /** Whether the broker answers, so that its sessions are known. */
    isReachable: (): boolean => reach.isUp(),
    /** How many sessions there were when they were looked at last. */
    sessions: (): number => sessions,
    /** How many things are known by what their sessions were given. */
    things: granted.size,
    /** How many changes are not enforced yet. */
    pending: (): number => jobs,

    /** Compares, and looks again and again until the signal ends it. Never throws. */
    async work(): Promise<void> {
      try {
        await compare();
        await Promise.all([repeat(deps.lookEveryMs, look), repeat(tickMs, expire), repeat(driftEveryMs, provideAll)]);
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        await keep();
        broker.close();
      }
    },
  };
}
