import { randomInt } from 'node:crypto';
import type { Gate } from '../gate.js';
import type { Trouble } from '../trouble.js';
import { createAnswers } from './answer.js';
import { createCommandDesk } from '../commands/desk.js';
import { refusedStart } from './beginning.js';
import { ControlPlaneError } from './control-plane.js';
import { follow } from './follow.js';
import { createHearing } from './hearing.js';
import { createFollowedLog, createParts, type DeciderOptions, type Parts } from './parts.js';
import type { PrincipalAnswer } from './principal-queue.js';

export type { Answer } from './answer.js';
export type { DeciderOptions } from './parts.js';

/** Decides in memory, by the same engine as the control plane. */
export type Decider = Awaited<ReturnType<typeof createDecider>>;

const tickMs = 250;

/**
 * Follows the log of an account, and decides by it. Resolves when it is up to date, or with what `stateDir` has when the control
 * plane does not answer.
 * @throws EdgeStartError when it has neither, another edge uses `stateDir`, the key is refused, or the name belongs to another key
 * @example
 * const decider = await createDecider({ server: 'https://things.example.com', key, name: 'berlin-1', stateDir: 'state' });
 *
 * const { decision } = await decider.decide({ principal: { token }, action: 'publish', resource: 'topic:a/b' });
 */
export async function createDecider(options: DeciderOptions) {
  const ended = new AbortController();
  const works = (of: Trouble): void => options.onSound?.(of);
  const failed = (error: Error, of: Trouble): void => {
    if (ended.signal.aborted) return;
    if (error instanceof ControlPlaneError && error.failure === 'refused') hearing.refuse();
    options.onError?.(error, of);
    parts.beginning.failed(error);
  };
  const parts = createParts(options, ended.signal, { failed, works, refused: () => hearing.refuse() });
  let waits = (_thingName: string | undefined): void => {};
  let pipelinesChanged = (): void => {};
  const hearing = createHearing(parts, {
    works: () => works('following'),
    waits: (thingName) => waits(thingName),
    pipelines: () => pipelinesChanged(),
  });
  const { guests, issuers, keeper, clock, trust, receipts, known } = parts;

  await keeper.restore();
  await options.beforehand?.().catch((error: unknown) => {
    keeper.release();
    throw error;
  });
  hearing.restored();
  const working = start(parts, hearing, ended.signal, failed);
  const end = async (): Promise<void> => {
    ended.abort();
    guests.close();
    await Promise.all([working, receipts.settled()]);
    await keeper.keep(true).finally(keeper.release);
  };
  let ending: Promise<void> | undefined;
  // Once: who comes after may have written to the folder since.
  const close = (): Promise<void> => (ending ??= end());

  try {
    await parts.beginning.done();
    if (trust.state() === 'live')
      await receipts.register().catch((error: unknown) => unlessAway(options.server, error));
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }

  const gate: Gate = {
    ...guests.gate,
    isIssued: issuers.isIssued,
    now: clock.now,
    trust: trust.state,
    follow: receipts.follow,
  };

  return {
    gate,
    /** What is followed, for programs that judge more than guests. */
    log: createFollowedLog(parts),
    incarnation: parts.incarnation,

    /**
     * The answer that `POST /v1/authorize` gives at the same place in the log, at once where nothing has to be asked. What cannot be
     * decided is a deny with the reason `cannot-decide`. A thing by its name is asked of the control plane.
     * @throws DomainError `invalid-request` for a certificate that cannot be read
     */
    decide: createAnswers({
      ...parts,
      now: clock.now,
      reach: parts.reach.until,
      failed: (error) => failed(error, 'questions'),
      answered: () => works('questions'),
    }),

    /** Posts what changed of the sessions to `/v1/proxies/{id}/sessions`. Returns the status of the answer, 0 for none. Never throws. */
    report: (report: object) => sendReport(parts, 'sessions', report, { failed, works }),
    /** Posts what the machine of this edge has to `/v1/proxies/{id}/site`. Returns the same. Never throws. */
    reportSite: (report: object) => sendReport(parts, 'site', report, { failed, works }),

    /** Commands for things: which there are, and what became of them. */
    commands: createCommandDesk(parts, { failed, works, follow: (heard) => (waits = heard) }),

    /** The active pipelines by their names, and who hears that they may be others. */
    pipelines: {
      account: known.account,
      active: known.pipelines,
      follow: (changed: () => void): void => void (pipelinesChanged = changed),
    },

    /** The place in the log that is applied here. */
    cursor: known.cursor,
    /** Whether what is known still counts. */
    trust: trust.state,
    proxyId: receipts.proxyId,
    /** Follows no longer, and writes down what is known. */
    close,
  };
}

type Failed = (error: Error, of: Trouble) => void;

/** Follows the log, and does what time brings. Resolves when the signal has ended both. */
async function start(
  { controlPlane, known, principals, wait }: Parts,
  hearing: ReturnType<typeof createHearing>,
  ended: AbortSignal,
  failed: Failed,
): Promise<void> {
  let ticking = Promise.resolve();
  const tick = (): void => void (ticking = ticking.then(hearing.tick).catch((error: Error) => failed(error, 'state')));
  const timer = setInterval(tick, tickMs);
  timer.unref();
  await follow({
    ...hearing,
    controlPlane,
    known,
    ended,
    random: () => randomInt(1_000_000) / 1_000_000,
    pause: (ms, signal) => wait(ms, signal, 'next attempt'),
    readHolders: (atLeast) =>
      principals.readAgain(atLeast).catch((error: Error): PrincipalAnswer[] => {
        failed(error, 'questions');
        return [];
      }),
    onError: (error) => failed(error, 'following'),
  });
  clearInterval(timer);
  await ticking;
}

/** Sends a report of this edge. Never throws. */
async function sendReport(
  { controlPlane, receipts }: Parts,
  of: 'sessions' | 'site',
  report: object,
  { failed, works }: { failed: Failed; works(of: Trouble): void },
): Promise<{ status: number }> {
  const id = receipts.proxyId();
  if (id === undefined) return { status: 0 };
  try {
    const status = await controlPlane.tell(`/v1/proxies/${id}/${of}`, report);
    works('reports');
    return { status };
  } catch (error) {
    failed(error as Error, 'reports');
    return { status: error instanceof ControlPlaneError ? error.status : 0 };
  }
}

function unlessAway(server: string, error: unknown): void {
  if (!(error instanceof ControlPlaneError)) throw error;
  if (error.failure !== 'away') throw refusedStart(server, error);
}
