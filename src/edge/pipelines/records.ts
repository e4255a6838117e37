import type { ActivePipeline } from '../../log/edge-view.js';
import type { Context } from '../../policy/condition.js';

/** A message that pipelines take, as it came. */
export type TakenMessage = {
  kind: 'message';
  /** Milliseconds since 1970; never before the one before. */
  at: number;
  thing: string;
  /** Of its certificate, lower-case hex, by which it is judged again after a restart. */
  fingerprint: string;
  /** How it came, for conditions of policies. */
  context: Context;
  topic: string;
  /** The pipelines that take it, and whether the thing may publish what each makes, as it was judged when it came. */
  pipelines: [name: string, allowed: boolean][];
  payload: Buffer;
};

/**
 * What the journal of an edge says, in the order in which it is done: a message came, time passed, or another version of a pipeline is
 * active. With the same records, pipelines make the same again.
 */
export type Happening =
  | TakenMessage
  | { kind: 'time'; at: number }
  | { kind: 'begin'; at: number; pipeline: ActivePipeline }
  | { kind: 'end'; at: number; name: string };

const headLength = 4;

/** The octets of a record: the length of its head, the head as JSON, and the payload as it came. */
export function encodeHappening(happening: Happening): Buffer {
  const { payload, head } =
    happening.kind === 'message' ? withoutPayload(happening) : { payload: Buffer.alloc(0), head: happening };
  const text = Buffer.from(JSON.stringify(head));
  const bytes = Buffer.allocUnsafe(headLength + text.length + payload.length);
  bytes.writeUInt32BE(text.length, 0);
  text.copy(bytes, headLength);
  payload.copy(bytes, headLength + text.length);
  return bytes;
}

function withoutPayload({ payload, ...head }: TakenMessage): { payload: Buffer; head: object } {
  return { payload, head };
}

/** Reads what {@link encodeHappening} wrote; undefined for what a later version wrote. @throws Error for anything else */
export function decodeHappening(bytes: Buffer): Happening | undefined {
  const end = headLength + bytes.readUInt32BE(0);
  const head = JSON.parse(bytes.toString('utf8', headLength, end)) as Happening;
  switch (head.kind) {
    case 'message':
      return { ...head, payload: bytes.subarray(end) };
    case 'time':
    case 'begin':
    case 'end':
      return head;
    default:
      return undefined;
  }
}
