import type { DeadLetter, Occasion } from '../../pipeline/pipeline.js';
import type { PublishedRecord } from '../../pipeline/present.js';
import { deadLetterTopic, recordsTopic } from '../../pipeline/topics.js';
import type { TakenMessage } from './records.js';

/** What a pipeline made: records of a thing, or nothing of a message. */
export type Made =
  | { of: 'records'; occasion: Occasion; records: PublishedRecord[] }
  | { of: 'dead-letter'; why: DeadLetter; message: TakenMessage };

/** Something that a pipeline wants to publish. */
export type Outcome = Made & {
  /** The same whenever the same journal is read again. */
  id: string;
  pipeline: string;
  version: number;
  thing: string;
  /** Names of sinks. */
  to: readonly string[];
  at: number;
};

// A dead letter is for people who look for a fault: the beginning of a large one says enough, and every sink takes it.
const shownOctets = 65_536;

/** Where it is published: what simulation says too. */
export function topicOf(account: string, { thing, pipeline, of }: Outcome): string {
  return (of === 'records' ? recordsTopic : deadLetterTopic)(account, thing, pipeline);
}

/** What is published. */
export function payloadOf(outcome: Outcome): Buffer {
  const { id, pipeline, version } = outcome;
  if (outcome.of === 'records') {
    const { occasion, records } = outcome;
    return Buffer.from(JSON.stringify({ id, pipeline, version, occasion, records }));
  }
  const { why, message } = outcome;
  const { topic, at, payload } = message;
  const payloadBase64 = payload.subarray(0, shownOctets).toString('base64');
  const cut = payload.length > shownOctets ? { octets: payload.length } : {};
  return Buffer.from(JSON.stringify({ id, pipeline, version, why, topic, at, payloadBase64, ...cut }));
}

/** What leaves at once goes before others; dead letters wait for all. */
export function priorityOf(outcome: Outcome): 'low' | 'normal' | 'high' {
  if (outcome.of === 'dead-letter') return 'low';
  return outcome.occasion === 'now' ? 'high' : 'normal';
}
