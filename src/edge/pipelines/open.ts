import { openJournal } from '../../journal/journal.js';
import type { ActivePipeline } from '../../log/edge-view.js';
import type { Gate } from '../gate.js';
import type { Tell } from '../proxy/log.js';
import type { Timers } from '../proxy/sessions.js';
import type { Troubles } from '../proxy/troubles.js';
import type { Witness } from '../proxy/witness.js';
import type { EdgeConfig } from '../settings/config.js';
import { createFollowing } from './following.js';
import { createIntake } from './intake.js';
import { openKeeping } from './keeping.js';
import { createMatching } from './matching.js';
import type { PipelineMeters } from './meters.js';
import { createOutlet, type Outlets, type Seen } from './outlets.js';
import { topicOf } from './outcome.js';
import { createRunning, isSetBack } from './running.js';
import { createWorks } from './works.js';

/** The active pipelines, and who hears that they may be others. */
export type ActivePipelines = {
  account(): string;
  /** By name; undefined while that is not known. */
  active(): ReadonlyMap<string, ActivePipeline> | undefined;
  follow(changed: () => void): void;
};

type Deps = {
  config: Pick<EdgeConfig, 'gateway' | 'stateDir'>;
  pipelines: ActivePipelines;
  gate: Pick<Gate, 'identify' | 'judge' | 'principalOf' | 'now'>;
  outlets: Outlets;
  witness: Pick<Witness, 'refused'>;
  meters: PipelineMeters;
  timers: Timers;
  tell: Tell;
  troubles: Pick<Troubles, 'failed' | 'works'>;
};

const tickMs = 1000;
const noteMs = 250;
const mostQueued = 8 * 1024 * 1024;
const mostBetweenSaves = 32 * 1024 * 1024;

/** Pipelines that run. */
export type Pipelines = NonNullable<Awaited<ReturnType<typeof openPipelines>>>;

/**
 * Runs pipelines, where the settings want it; undefined otherwise. Resolves once all that was kept before is done again.
 * @throws Error when the journal cannot be used
 */
export async function openPipelines(deps: Deps) {
  const settings = deps.config.gateway?.pipelines;
  if (!settings) return undefined;
  const { gate, meters, timers, tell, troubles } = deps;
  const { maxBytes, fsync } = settings;
  const account = deps.pipelines.account();
  const failed = (error: Error): void => troubles.failed(error, 'pipelines');
  const sound = (): void => troubles.works('pipelines');
  let isOver = false;
  const keeping = await openKeeping(deps.config.stateDir);
  await keeping.requireAccount(account);
  const journal = await openJournal(keeping.journal, { maxBytes, fsync, whenFull: 'refuse', now: gate.now });
  const { origin, done } = await keeping.beginning(journal.next());
  const running = createRunning(account, origin, () => performance.now());
  const outlet = createOutlet({
    account,
    gate,
    outlets: deps.outlets,
    seen: seenBy(account, deps),
    failed,
    works: sound,
    // Nothing is tried again once this is over: what was not put is in the journal.
    wait: (ms) => new Promise((resolve) => timers.set(() => isOver || resolve(), ms)),
  });
  const savedAt = await keeping.restore(running, outlet).catch((error: unknown) => {
    tell.error({ err: error }, 'what pipelines kept of things cannot be read: they begin with what the journal says');
    // The journal may not say any longer that they are active.
    const known = [...(deps.pipelines.active()?.values() ?? [])];
    running.restore(
      known.map((active) => ({ active })),
      0,
    );
    return -1;
  });
  let reached = done;
  const works = createWorks({
    journal,
    running,
    outlet,
    done,
    reached: (position) => void (reached = position),
    save: (position) => keeping.save(position, running, outlet),
    mostQueued: Math.min(mostQueued, Math.floor(maxBytes / 8)),
    saveEvery: Math.min(mostBetweenSaves, Math.floor(maxBytes / 4)),
    failed,
    sound,
  });
  await works.replay(savedAt < journal.next() ? savedAt : -1);

  let last = running.now();
  const now = (): number => {
    const at = Math.floor(gate.now());
    // Before anything was heard, there is no time.
    last = at > 0 && isSetBack(last, at) ? at : Math.max(last, at);
    return last;
  };
  const matching = createMatching(account);
  const { active, follow } = deps.pipelines;
  const cannotRun = ({ name, version }: ActivePipeline): void =>
    tell.warn({ pipeline: name, version }, 'an active pipeline needs a later version of the edge');
  const following = createFollowing({ active, running, matching, works, now, failed, cannotRun });
  const intake = createIntake({
    account,
    gate,
    matching,
    works,
    now,
    taken: (names) => names.forEach((pipeline) => meters.messages.inc({ pipeline })),
    refused(error) {
      meters.refused.inc();
      failed(error);
    },
  });
  await following.look();
  follow(() => void following.look());
  meters.watch({
    active: matching.size,
    things: () => running.sizes().things,
    evicted: () => running.sizes().evicted,
    journal: () => journal.counts().bytes,
    queued: works.queued,
  });

  let written = done;
  const note = async (): Promise<void> => {
    if (written === reached) return;
    written = reached;
    await keeping.done(written);
  };
  const tick = async (): Promise<void> => {
    await following.look();
    const at = now();
    // An edge that hears nothing writes nothing.
    if (running.isRipening(at)) await works.happen({ kind: 'time', at });
  };
  const turns = [repeat(timers, noteMs, note, failed), repeat(timers, tickMs, tick, failed)];

  return {
    takerOf: intake.takerOf,
    /** What each version that takes messages took so far. */
    taken: () => running.taken().filter(({ name, version }) => matching.runs(name, version)),
    /** Messages so far that things of each type published. */
    types: intake.types,
    /** Takes nothing more, does what there is, and keeps it. */
    async close(): Promise<void> {
      await Promise.all(turns.map((turn) => turn.end()));
      await works.close();
      isOver = true;
      await note().catch(failed);
      await journal.close();
    },
  };
}

/** Does something again and again, never twice at once. */
function repeat(timers: Timers, ms: number, work: () => Promise<void>, failed: (error: Error) => void) {
  let ended = false;
  let timer: unknown;
  let doing: Promise<void> | undefined;
  const turn = (): void => {
    doing = work()
      .catch(failed)
      .then(() => {
        if (!ended) timer = timers.set(turn, ms);
      });
  };
  turn();
  return {
    async end(): Promise<void> {
      ended = true;
      timers.clear(timer);
      await doing;
    },
  };
}

const mostSaid = 1000;

/** Counts what becomes of what pipelines make, and says what goes nowhere. */
function seenBy(account: string, { meters, witness, tell }: Pick<Deps, 'meters' | 'witness' | 'tell'>): Seen {
  const said = new Set<string>();
  return {
    published: ({ pipeline }, records) => meters.published.inc({ pipeline }, records),
    deadLetter: ({ pipeline }, why) => meters.deadLetters.inc({ pipeline, why }),
    denied(outcome, why) {
      const { pipeline, thing } = outcome;
      meters.denied.inc({ pipeline });
      witness.refused(why, { what: 'publish', why, thing, resource: `topic:${topicOf(account, outcome)}` });
    },
    unknownSink({ pipeline }, sink) {
      meters.unsent.inc({ pipeline });
      if (said.has(sink) || said.size >= mostSaid) return;
      said.add(sink);
      tell.warn({ pipeline, sink }, 'a pipeline publishes to a sink that is not in the settings');
    },
  };
}
