import type { Trouble } from '../trouble.js';
import { ControlPlaneError, type Failure } from '../decider/control-plane.js';
import type { Tell } from './log.js';

type Kind = Trouble | 'broker' | 'service' | 'publishing' | 'pipelines' | 'sink' | 'full';

/** What may stop working, and works again later. Of sinks and their queues, each by its name. */
export type What = Exclude<Kind, 'sink' | 'full'> | `${'sink' | 'full'} ${string}`;

type State = { since: number; attempts: number; failure: Failure | ''; saidAt: number | undefined };

// What fails again so soon after a line about it is counted, and said later.
const quietMs = 60_000;
const againMs = 300_000;

export type Troubles = ReturnType<typeof createTroubles>;

/**
 * Says once that something stopped working, and once that it works again, with how long that took and how many attempts. While it
 * lasts, the count is said every five minutes. `now` is in milliseconds, and never goes back.
 */
export function createTroubles(tell: Tell, now: () => number, following = followingBeginnings) {
  const states = new Map<What, State>();
  const lastLines = new Map<What, number>();

  const say = (what: What, state: State, error: Error): void => {
    const { since, attempts, failure, saidAt } = state;
    const again = saidAt === undefined ? {} : { attempts, seconds: secondsOf(now() - since) };
    const kind = kindOf(what);
    const words = kind === 'following' ? following[failure] : beginnings[kind];
    tell.warn({ ...again, ...sinkOf(what), ...reasonOf(error) }, saidAt === undefined ? words : `still: ${words}`);
    state.saidAt = now();
    lastLines.set(what, now());
  };

  return {
    /** Something failed, and is tried again. */
    failed(error: Error, of: What): void {
      const failure = error instanceof ControlPlaneError ? error.failure : '';
      // What nobody answers is one trouble, whoever asked.
      const what = failure === 'away' && asking.has(of) ? 'following' : of;
      const before = states.get(what);
      const state: State =
        before?.failure === failure ? before : { since: now(), attempts: 0, failure, saidAt: undefined };
      states.set(what, state);
      state.attempts++;
      const last = lastLines.get(what) ?? -Infinity;
      const isOther = before !== undefined && before !== state;
      if (isOther || now() - last >= (state.saidAt === undefined ? quietMs : againMs)) say(what, state, error);
    },

    /** Something works. */
    works(what: What): void {
      const state = states.get(what);
      if (!state) return;
      states.delete(what);
      if (state.saidAt === undefined) return;
      const { since, attempts } = state;
      tell.info({ ...sinkOf(what), seconds: secondsOf(now() - since), attempts }, endings[kindOf(what)]);
      lastLines.set(what, now());
    },
  };
}

const asking: ReadonlySet<What> = new Set<What>(['receipts', 'reports', 'questions', 'authorities', 'commands']);

const kindOf = (what: What): Kind => what.split(' ', 1)[0] as Kind;

const sinkOf = (what: What): { sink?: string } => {
  const [, sink] = what.split(' ');
  return sink === undefined ? {} : { sink };
};

const secondsOf = (ms: number): number => Math.round(ms / 1000);

/** A sentence is enough for what is expected; a stack is for defects. */
const reasonOf = (error: Error): object =>
  error instanceof TypeError || error instanceof RangeError ? { err: error } : { why: error.message };

/** The lines when the control plane cannot be followed, by the kind of failure; `''` is every other one. */
export const followingBeginnings: Readonly<Record<Failure | '', string>> = {
  away: 'the control plane is away: decisions continue by what is known',
  refused: 'the control plane refuses this edge: nobody is let in',
  'start-anew': 'everything is read again from the control plane',
  rejected: 'the control plane rejects what this edge asks',
  '': 'the log cannot be followed',
};

/** The line when any other trouble begins. */
export const beginnings: Readonly<Record<Exclude<Kind, 'following'>, string>> = {
  receipts: 'the control plane refuses the receipts of this edge',
  reports: 'the control plane refuses the reports of sessions',
  questions: 'the control plane does not say who holds a certificate',
  authorities: 'the authorities of the account cannot be read again',
  state: 'the state cannot be written to stateDir',
  sessions: 'sessions could not be ended',
  commands: 'the control plane gives and takes no commands',
  publishing: 'the broker does not let the edge itself in, which publishes commands',
  pipelines: 'what pipelines take or make cannot be kept',
  broker: 'the broker cannot be reached',
  service: 'the service cannot be reached',
  sink: 'a sink does not accept messages: they are kept',
  full: 'the queue of a sink is full: the oldest messages of the lowest priority are dropped',
};

/** The line when a trouble is over. docs/edge.md has a table of them. */
export const endings: Readonly<Record<Kind, string>> = {
  following: 'the control plane is back',
  receipts: 'the control plane takes receipts again',
  reports: 'the control plane takes reports of sessions again',
  questions: 'the control plane says again who holds a certificate',
  authorities: 'the authorities of the account were read again',
  state: 'the state is written to stateDir again',
  sessions: 'sessions are ended again',
  commands: 'the control plane gives commands again',
  publishing: 'the broker lets the edge in again, and commands are published',
  pipelines: 'what pipelines take and make is kept again',
  broker: 'the broker is back',
  service: 'the service is back',
  sink: 'the sink accepts messages again',
  full: 'the queue of the sink has room again',
};
