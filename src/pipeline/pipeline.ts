import { decoderOf } from './decode/decoders.js';
import type { Decoded, DecoderState } from './decode/decoded.js';
import type { PipelineDocument } from './document.js';
import { compilePipeline } from './compile.js';
import { schemaBudget, type Budget } from './json-budget.js';
import { follow } from './json-path.js';
import { pipelineLimits } from './limits.js';
import { blank, noCounts, type Counts, type PipelineRecord, type Scalar } from './record.js';
import type { Emit, Step } from './steps/step.js';
import { readTime } from './time.js';
import { inTopic, principalOf, type TopicThing } from './topics.js';

/** A message that an edge has judged. */
export type Message = { thing: TopicThing; topic: string; payload: Uint8Array; at: number };

/** Why a message is a dead letter. */
export type DeadLetter = 'too-large' | 'not-decodable' | 'no-time' | 'too-far-ahead' | 'not-valid' | 'no-values';

/** Why records are published at this moment. */
export type Occasion = 'each' | 'batch' | 'seconds' | 'now' | 'evicted';

/** Records of one thing to publish, in their order. */
export type Publication = { thing: string; occasion: Occasion; records: PipelineRecord[] };

export type Pipeline = ReturnType<typeof createPipeline>;

/** What a pipeline keeps of one thing: plain data, which {@link Pipeline.restore} takes back. */
export type SavedThing = Omit<State, 'steps'> & { steps: unknown[] };

type State = { steps: Step[]; decoder: DecoderState; seenAt: number; waiting: PipelineRecord[]; waitingSince: number };

/** A pipeline with what it remembers of each thing. It does no I/O and reads no clock: it is told when a message came. */
export function createPipeline(
  account: string,
  document: PipelineDocument,
  publish: (publication: Publication) => void,
) {
  const counts: Counts = noCounts();
  const plan = compilePipeline(document, counts);
  const decode = decoderOf[document.decode];
  // In the order in which they were last seen.
  const things = new Map<string, State>();
  // Whose record goes through the steps: what they emit belongs to it.
  let [thing, state, now]: [string, State | undefined, number] = ['', undefined, 0];

  const flush = (name: string, of: State, occasion: Occasion): void => {
    const records = of.waiting;
    of.waiting = [];
    counts.published += records.length;
    publish({ thing: name, occasion, records });
  };

  const finish = (record: PipelineRecord): void => {
    const own = state!;
    const urgent = plan.isNow(record);
    if (record.taken && !urgent) return;
    if (own.waiting.length === 0) own.waitingSince = now;
    record.message = undefined;
    own.waiting.push(record);
    // What waits goes before it: the order of a thing is kept.
    if (urgent) flush(thing, own, 'now');
    else if (!plan.batch) flush(thing, own, 'each');
    else if (own.waiting.length >= plan.batch.size) flush(thing, own, 'batch');
  };

  const run = (from: number, record: PipelineRecord): void => {
    const { steps } = state!;
    for (let index = from; index < steps.length; index++) {
      if (!steps[index]!.apply(record, emits[index]!)) return;
    }
    finish(record);
  };
  const emits: Emit[] = plan.steps.map((_, index) => (record) => run(index + 1, record));

  const stateOf = (name: string): State => {
    const known = things.get(name);
    if (known) {
      things.delete(name);
      things.set(name, known);
      return known;
    }
    if (things.size >= document.maxThings) evict();
    const steps = plan.steps.map((start) => start());
    const made: State = { steps, decoder: { aliases: undefined }, seenAt: 0, waiting: [], waitingSince: 0 };
    things.set(name, made);
    return made;
  };

  const evict = (): void => {
    const [[name, oldest]] = things as unknown as [[string, State]];
    things.delete(name);
    counts.evicted++;
    if (oldest.waiting.length > 0) flush(name, oldest, 'evicted');
  };

  const recordOf = ({ time, message }: Decoded, at: number, budget: Budget): PipelineRecord | DeadLetter => {
    if (!plan.judges.every((judge) => judge(message, budget))) return 'not-valid';
    const when = plan.time ? readTime(follow(plan.time, message)) : (time ?? at);
    if (when === undefined || !(when >= 0)) return 'no-time';
    if (when > at + pipelineLimits.aheadMs) return 'too-far-ahead';
    const record = blank(plan.fields.length, when);
    let found = false;
    for (let slot = 0; slot < plan.values.length; slot++) {
      const value = scalarOf(follow(plan.values[slot]!, message), counts);
      record.values[slot] = value;
      found ||= value !== undefined;
    }
    return found ? record : 'no-values';
  };

  const recordsOf = ({ payload, at }: Message, own: State): PipelineRecord[] | DeadLetter => {
    if (payload.length > pipelineLimits.payload) return 'too-large';
    let decoded: Decoded[];
    try {
      decoded = decode(payload, at, own.decoder);
    } catch {
      return 'not-decodable';
    }
    const records: PipelineRecord[] = [];
    let why: DeadLetter = 'no-values';
    const budget = schemaBudget();
    for (const each of decoded) {
      const record = recordOf(each, at, budget);
      if (typeof record === 'object') records.push(record);
      // One part of another form makes the whole message a dead letter; one without values of this pipeline does not.
      else if (record === 'no-values') why = record;
      else return record;
    }
    return records.length > 0 ? records : why;
  };

  const taking = function* (message: Message): Generator<void, DeadLetter | undefined> {
    counts.messages++;
    thing = message.thing.name;
    state = stateOf(thing);
    now = message.at;
    state.seenAt = now;
    const records = recordsOf(message, state);
    if (typeof records === 'string') {
      counts.deadLetters++;
      return records;
    }
    counts.records += records.length;
    for (let index = 0; index < records.length; index++) {
      if (index > 0) yield;
      run(0, records[index]!);
    }
    return undefined;
  };

  return {
    counts,
    /** What values are called, by their place in records. */
    fields: plan.fields,

    /** Of how many things there is state. */
    things: (): number => things.size,

    /** What is kept of each thing now, the one seen least recently first. What it yields changes with the next message: copy it at once. */
    *save(): Generator<[thing: string, saved: SavedThing], void> {
      for (const [name, { steps, ...rest }] of things)
        yield [name, { ...rest, steps: steps.map((step) => step.state) }];
    },

    /** Continues with what {@link Pipeline.save} of the same document said of a thing. Things are restored in its order. */
    restore(name: string, { steps, ...rest }: SavedThing): void {
      things.set(name, { ...rest, steps: plan.steps.map((start, index) => start(steps[index])) });
    },

    /** Whether it takes a message. */
    matches({ thing: of, topic }: Pick<Message, 'thing' | 'topic'>): boolean {
      if (plan.types && (of.type === undefined || !plan.types.has(of.type))) return false;
      const levels = topic.split('/');
      const principal = principalOf(account, of);
      return plan.topics.some((filter) => inTopic(filter, levels, principal));
    },

    /** Takes a message that it matches. Says why, when it is a dead letter: then nothing of it is used. */
    take(message: Message): DeadLetter | undefined {
      const taken = taking(message);
      for (;;) {
        const { done, value } = taken.next();
        if (done) return value;
      }
    },

    /** The same. It yields between the records of one message; nothing else may be done with the pipeline meanwhile. */
    taking,

    /** Publishes what has waited long enough, and ends windows of things that fell silent. Yields between things. */
    *tick(at: number): Generator<void, void> {
      for (const [name, own] of things) {
        yield;
        [thing, state, now] = [name, own, at];
        for (let index = 0; index < own.steps.length; index++) own.steps[index]!.idle?.(at, own.seenAt, emits[index]!);
        if (own.waiting.length > 0 && plan.batch && at - own.waitingSince >= plan.batch.ms) flush(name, own, 'seconds');
      }
    },
  };
}

/** What a record can hold; undefined for what it cannot. */
function scalarOf(value: unknown, counts: Counts): Scalar | undefined {
  if (typeof value === 'number') {
    if (Math.abs(value) <= pipelineLimits.magnitude) return value;
    counts.nonFinite++;
    return undefined;
  }
  if (typeof value === 'string') return value.length <= pipelineLimits.text ? value : undefined;
  return typeof value === 'boolean' ? value : undefined;
}
