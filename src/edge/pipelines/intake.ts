import { recordsTopic } from '../../pipeline/topics.js';
import type { Gate } from '../gate.js';
import type { TakenFrom, Taker } from '../mqtt/options.js';
import type { Matching } from './matching.js';
import type { Works } from './works.js';

type Deps = {
  account: string;
  gate: Pick<Gate, 'judge' | 'principalOf' | 'now'>;
  matching: Matching;
  works: Pick<Works, 'happen'>;
  /** Milliseconds since 1970, and never before what the journal says. */
  now(): number;
  taken(pipelines: readonly string[]): void;
  refused(error: Error): void;
};

export type Intake = ReturnType<typeof createIntake>;

/** What pipelines take of that which devices publish. */
export function createIntake({ account, gate, matching, works, now, taken, refused }: Deps) {
  let known = new WeakMap<object, Taker | 'nobody'>();
  let revision = matching.revision();

  const takerOf = ({ guest, topic, context }: TakenFrom): Taker | 'nobody' => {
    const principal = gate.principalOf(guest);
    const { thingName: thing, fingerprint } = guest;
    const name = topic();
    const { type, attributes } = principal ?? {};
    const taking = principal && matching.of({ name: thing, type, attributes }, name);
    if (!taking) return 'nobody';
    // Whatever changes ends the decision about the message too, and with it this: only time is looked at here.
    let [judgements, validUntil]: [[string, boolean][], number] = [[], -Infinity];
    const judge = (): [string, boolean][] => {
      if (gate.now() < validUntil) return judgements;
      validUntil = Infinity;
      judgements = taking.names.map((pipeline) => {
        const resource = `topic:${recordsTopic(account, thing, pipeline)}`;
        const verdict = gate.judge(guest, { action: 'publish', resource, context });
        validUntil = Math.min(validUntil, verdict.validUntil);
        return [pipeline, verdict.allowed];
      });
      return judgements;
    };
    return {
      forward: taking.forward,
      async take(payload) {
        const pipelines = judge();
        const happening = { at: now(), thing, fingerprint, context, topic: name, pipelines, payload };
        try {
          await works.happen({ kind: 'message', ...happening }, guest);
        } catch (error) {
          refused(error as Error);
          throw error;
        }
        taken(taking.names);
      },
    };
  };

  return {
    /** Who takes a message that its sender may publish; undefined where it goes to the broker alone. */
    takerOf(message: TakenFrom): Taker | undefined {
      if (matching.size() === 0) return undefined;
      if (revision !== matching.revision()) {
        revision = matching.revision();
        known = new WeakMap();
      }
      let taker = known.get(message.judged);
      if (!taker) {
        taker = takerOf(message);
        known.set(message.judged, taker);
      }
      return taker === 'nobody' ? undefined : taker;
    },
  };
}
