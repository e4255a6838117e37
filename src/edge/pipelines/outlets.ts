import type { Context } from '../../policy/condition.js';
import type { Gate, Guest } from '../gate.js';
import type { Outgoing, Sinks } from '../sinks/sinks.js';
import { payloadOf, priorityOf, topicOf, type Outcome } from './outcome.js';
import type { TakenMessage } from './records.js';

/** Where pipelines publish, by the names of the settings. */
export type Outlets = Pick<Sinks, 'has' | 'put'>;

/** What becomes of what pipelines make. None of these may throw. */
export type Seen = {
  published(outcome: Outcome, records: number): void;
  deadLetter(outcome: Outcome, why: string): void;
  denied(outcome: Outcome, why: string): void;
  /** No sink of this edge has the name. */
  unknownSink(outcome: Outcome, sink: string): void;
};

type Deps = {
  account: string;
  gate: Pick<Gate, 'identify' | 'judge'>;
  outlets: Outlets;
  seen: Seen;
  /** Something could not be kept, and is tried again. */
  failed(error: Error): void;
  works(): void;
  wait(ms: number): Promise<void>;
};

/** Whom a thing was last heard as. */
type Voice = Remembered & { guest?: Guest | undefined };

/** What is remembered of a thing over a restart. */
export type Remembered = { fingerprint: string; context: Context; allowed: Record<string, boolean> };

const mostVoices = 100_000;
const retryMs = 1000;

/**
 * Why a thing cannot be judged now that says nothing of its rights: what it said when it had them counts then, as it was judged. Nothing
 * that a device was told is kept is given up because the control plane is away, or because the device left and its token is over.
 */
const undecided: ReadonlySet<string> = new Set(['cannot-decide', 'token-expired', 'certificate-expired', 'away']);

/** Judges what pipelines make, and puts it into sinks. */
export function createOutlet({ account, gate, outlets, seen, failed, works, wait }: Deps) {
  // Those heard least recently first.
  const voices = new Map<string, Voice>();

  const remember = (thing: string, voice: Voice): void => {
    voices.delete(thing);
    voices.set(thing, voice);
    if (voices.size > mostVoices) voices.delete(voices.keys().next().value!);
  };

  /** Why it may not be published; undefined where it may. */
  const refusalOf = (outcome: Outcome): string | undefined => {
    const voice = voices.get(outcome.thing);
    if (!voice) return 'unknown-principal';
    const before = voice.allowed[outcome.pipeline] === true ? undefined : 'no-matching-statement';
    const present = voice.guest ?? gate.identify({ fingerprint: voice.fingerprint, withoutCertificates: true });
    if (present instanceof Promise) {
      present.catch(() => {});
      return before;
    }
    if ('barred' in present) return undecided.has(present.barred) ? before : present.barred;
    const resource = `topic:${topicOf(account, outcome)}`;
    const { allowed, refusal, statement } = gate.judge(present, {
      action: 'publish',
      resource,
      context: voice.context,
    });
    if (allowed) return undefined;
    return refusal && undecided.has(refusal) ? before : (refusal ?? statement?.id ?? 'statement');
  };

  const put = async (sink: string, message: Outgoing): Promise<void> => {
    for (;;)
      try {
        await outlets.put(sink, message);
        return works();
      } catch (error) {
        failed(error as Error);
        await wait(retryMs);
      }
  };

  const send = async (outcome: Outcome): Promise<void> => {
    const why = refusalOf(outcome);
    if (why !== undefined) return seen.denied(outcome, why);
    const { id, thing, at } = outcome;
    const topic = topicOf(account, outcome);
    const message = { id, account, thing, topic, payload: payloadOf(outcome), priority: priorityOf(outcome), at };
    const sinks = outcome.to.filter((name) => outlets.has(name));
    for (const name of outcome.to) if (!outlets.has(name)) seen.unknownSink(outcome, name);
    if (sinks.length > 0 && outcome.of === 'records') seen.published(outcome, outcome.records.length);
    await Promise.all(sinks.map((name) => put(name, message)));
  };

  return {
    /** A message was taken: what comes of it is judged as a publish of who sent it. */
    heard({ thing, fingerprint, context, pipelines }: TakenMessage, guest: Guest | undefined): void {
      const allowed = { ...voices.get(thing)?.allowed, ...Object.fromEntries(pipelines) };
      remember(thing, { fingerprint, context, allowed, guest });
    },

    /** Publishes what may be, in order. Resolves once sinks have it. */
    async send(outcomes: readonly Outcome[]): Promise<void> {
      for (const outcome of outcomes) if (outcome.of === 'dead-letter') seen.deadLetter(outcome, outcome.why);
      await Promise.all(outcomes.map(send));
    },

    /** What is remembered of things. */
    *save(): Generator<Remembered & { heard: string }, void> {
      for (const [heard, { fingerprint, context, allowed }] of voices) yield { heard, fingerprint, context, allowed };
    },
    restore: ({ heard, ...voice }: Remembered & { heard: string }): void => remember(heard, voice),
  };
}
