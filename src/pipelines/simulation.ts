import { rfc3339, type Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { createTurns } from '../api/preview-turns.js';
import { inSlices } from '../slices.js';
import type { PipelineDocument } from '../pipeline/document.js';
import { createPipeline } from '../pipeline/pipeline.js';
import { presentRecord } from '../pipeline/present.js';
import { recordsTopic } from '../pipeline/topics.js';
import { workOfMessage } from '../pipeline/weight.js';
import type { Recorded, Simulated } from './schema.js';

// Numbers that are looked at: some tenths of a second, in turns with everybody else's.
const mostWork = 20_000_000;
const mostCharacters = 1_048_576;
const tickMs = 1000;
// A publication says its topic and its time beside its records.
const aroundRecords = 200;

export type PipelineSimulator = ReturnType<typeof createPipelineSimulator>;

/** Runs pipelines over recorded messages, without any effect. One at a time for each account, in slices. */
export function createPipelineSimulator({ clock }: { clock: Clock }) {
  const turns = createTurns();
  return {
    /** What a pipeline would do. @throws DomainError `invalid-request` for too much, `too-many-requests` */
    simulate: (account: string, document: PipelineDocument, recorded: Recorded): Promise<Simulated> =>
      turns.take(account, () => {
        requireFeasible(document, recorded);
        return inSlices(run(account, document, recorded, clock().getTime()));
      }),
  };
}

function* run(
  account: string,
  document: PipelineDocument,
  { messages, until }: Recorded,
  now: number,
): Generator<void, Simulated> {
  const perRecord = workOfMessage(document);
  const published: Simulated['published'] = [];
  const deadLetters: Simulated['deadLetters'] = [];
  let [at, characters, unmatched, ticked] = [now, 0, 0, -Infinity];
  const pipeline = createPipeline(account, document, ({ thing, occasion, records }) => {
    if (characters > mostCharacters) return;
    const shown = records.map((record) => presentRecord(pipeline.fields, record));
    characters += JSON.stringify(shown).length + aroundRecords;
    if (characters > mostCharacters) return;
    published.push({
      thing,
      topic: recordsTopic(account, thing, document.name),
      at: rfc3339(new Date(at)),
      occasion,
      records: shown,
    });
  });
  for (const [index, message] of messages.entries()) {
    yield;
    // What came is in order; a clock that goes back stands still.
    const came = message.at === undefined ? at : Date.parse(message.at);
    at = index === 0 ? came : Math.max(at, came);
    if (at - ticked >= tickMs) {
      yield* pipeline.tick(at);
      ticked = at;
    }
    const { thing, type, topic } = message;
    const from = { thing: { name: thing, type }, topic };
    if (!pipeline.matches(from)) {
      unmatched++;
      continue;
    }
    const taking = pipeline.taking({ ...from, payload: payloadOf(message), at });
    const why = yield* affordable(taking, () => pipeline.counts.records * perRecord);
    if (why) deadLetters.push({ message: index, why });
  }
  if (until !== undefined) {
    at = Math.max(at, Date.parse(until));
    yield* pipeline.tick(at);
  }
  const result: Simulated = { published, deadLetters, unmatched, counts: { ...pipeline.counts } };
  if (characters > mostCharacters) result.truncated = true;
  return result;
}

function payloadOf({ payload, payloadBase64 }: Recorded['messages'][number]): Uint8Array {
  return payloadBase64 === undefined ? Buffer.from(JSON.stringify(payload)) : Buffer.from(payloadBase64, 'base64');
}

/** One message may have many records, each as much work as a message: how many is known once it is read. @throws DomainError `invalid-request` */
function* affordable<Result>(work: Generator<void, Result>, spent: () => number): Generator<void, Result> {
  for (;;) {
    const step = work.next();
    if (spent() > mostWork) throw tooMuch('the records of these messages', spent());
    if (step.done) return step.value;
    yield;
  }
}

/** @throws DomainError `invalid-request` for more than anybody waits for */
function requireFeasible(document: PipelineDocument, { messages }: Recorded): void {
  const work = messages.length * workOfMessage(document);
  if (work > mostWork) throw tooMuch(`${messages.length} messages`, work);
}

const tooMuch = (what: string, work: number): DomainError =>
  new DomainError(
    'invalid-request',
    `${what} through a pipeline of this size are ${work} steps, more than ${mostWork}: send fewer messages at once`,
  );
