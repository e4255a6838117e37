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

/** Who takes messages of one topic of one guest, and what counts them. */
type Known = { taker: Taker | undefined; count: { messages: number } };

export type Intake = ReturnType<typeof createIntake>;

/** What pipelines take of that which devices publish. */
export function createIntake({ account, gate, matching, works, now, taken, refused }: Deps) {
  let known = new WeakMap<object, Known>();
  const types = createTypeCounts();
  let revision = matching.revision();

  const takerOf = ({ guest, topic, context }: TakenFrom): Taker | undefined => {
    if (matching.size() === 0) return undefined;
    const principal = gate.principalOf(guest);
    const { thingName: thing, fingerprint } = guest;
    const name = topic();
    const { type, attributes } = principal ?? {};
    const taking = principal && matching.of({ name: thing, type, attributes }, name);
    if (!taking) return undefined;
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
      if (revision !== matching.revision()) {
        revision = matching.revision();
        known = new WeakMap();
      }
      let found = known.get(message.judged);
      if (!found) {
        found = { taker: takerOf(message), count: types.of(gate.principalOf(message.guest)?.type) };
        known.set(message.judged, found);
      }
      found.count.messages++;
      return found.taker;
    },

    /** Messages so far that things of each type published. */
    types: types.counts,
  };
}

const mostTypes = 1000;

/** Counts messages by the type of their thing; under an empty name those without one, and those beyond a thousand types. */
function createTypeCounts() {
  const others = { messages: 0 };
  const byType = new Map([['', others]]);
  return {
    of(type: string | undefined): { messages: number } {
      const known = type === undefined ? others : byType.get(type);
      if (known) return known;
      if (byType.size >= mostTypes) return others;
      const made = { messages: 0 };
      byType.set(type!, made);
      return made;
    },
    counts: (): ReadonlyMap<string, number> =>
      new Map([...byType].map(([type, { messages }]) => [type, messages] as const)),
  };
}
