import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Outgoing } from '../line/packets.js';
import type { Queued } from './record.js';

/** How messages are put together: so many, or what has come so long after the first. */
export type BatchRule = { size: number; seconds: number };

/** Signs a batch, and returns a detached JWS. */
export type SignBatch = (id: string, payload: Buffer) => string;

/** A message as a line of a batch. */
export function lineOf({ id, topic, payload, isJson, qos, retain, at }: Queued): string {
  const head = { id, topic, at: new Date(at).toISOString() };
  const flags = { ...(qos === 1 ? {} : { qos }), ...(retain ? { retain } : {}) };
  if (!isJson) return `${JSON.stringify({ ...head, ...flags, payloadBase64: payload.toString('base64') })}\n`;
  return `${JSON.stringify({ ...head, ...flags }).slice(0, -1)},"payload":${payload.toString('utf8')}}\n`;
}

/** One message to publish that has many: lines of JSON, compressed by gzip (RFC 1952). */
export function batchOf(lines: readonly string[], thing: string, sign: SignBatch | undefined): Outgoing {
  const id = randomUUID();
  const payload = gzipSync(lines.join(''));
  const signature = sign?.(id, payload);
  return {
    topic: `${thing}/batches`,
    payload,
    qos: 1,
    retain: false,
    contentType: 'application/x-ndjson',
    userProperties: [
      ['id', id],
      ['content-encoding', 'gzip'],
      ['count', String(lines.length)],
      ...(signature === undefined ? [] : [['jws', signature] as const]),
    ],
  };
}
