import { createHash, createHmac } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../../clock.js';
import { EdgeConfigError } from '../settings/config.js';
import type { SinkSettings } from '../settings/sink-shapes.js';
import type { Driver, Outcome } from '../sinks/driver.js';
import { readSecret, readTlsFiles } from '../sinks/files.js';
import type { Kept } from '../sinks/message.js';

type Settings = Extract<SinkSettings, { kind: 'https' }>;

const answerMs = 30_000;
const mostOfAnswer = 65_536;
const form = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;

/** What says something of credentials, of the address or of the moment, and not of the messages. */
const passing: ReadonlySet<number> = new Set([401, 402, 403, 404, 407, 408, 421, 423, 425, 426, 429]);

/** Posts batches as JSON, signed as Standard Webhooks has it. An answer of 2xx is what counts as delivered. */
export function createHttpsSink(settings: Settings): Driver {
  const target = new URL(settings.url);
  const isTls = target.protocol === 'https:';
  const read = () => ({
    tls: readTlsFiles(settings),
    key: keyOf(readSecret(settings.secretFile)!, settings.secretFile),
  });
  const agentOf = () =>
    isTls
      ? new HttpsAgent({ keepAlive: true, maxSockets: 1, ...secrets.tls })
      : new HttpAgent({ keepAlive: true, maxSockets: 1 });
  let secrets = read();
  let agent = agentOf();
  let connected = false;

  const post = (id: string, body: Buffer, signal?: AbortSignal): Promise<number> => {
    const timestamp = String(Math.floor(systemClock().getTime() / 1000));
    const signature = createHmac('sha256', secrets.key).update(`${id}.${timestamp}.`).update(body).digest('base64');
    const sent = settings.gzip ? gzipSync(body) : body;
    const headers = {
      'content-type': 'application/json',
      'content-length': sent.length,
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
      ...(settings.gzip && { 'content-encoding': 'gzip' }),
    };
    return new Promise((resolve, reject) => {
      const send = isTls ? httpsRequest : httpRequest;
      const request = send(target, { method: 'POST', agent, headers, signal, timeout: answerMs }, (answer) => {
        // What it says beside its status is not read far.
        let octets = 0;
        answer.on('data', (part: Buffer) => {
          octets += part.length;
          if (octets > mostOfAnswer) answer.destroy();
        });
        answer.once('error', () => {});
        resolve(answer.statusCode ?? 0);
      });
      const timer = setTimeout(() => request.destroy(new Error('the sink does not answer in time')), answerMs);
      request.once('error', reject);
      request.once('timeout', () => request.destroy(new Error('the sink does not answer in time')));
      request.once('close', () => clearTimeout(timer));
      request.end(sent);
    });
  };

  const deliver = async (batch: readonly Kept[], signal: AbortSignal): Promise<Outcome> => {
    const status = await post(idOf(batch), bodyOf(batch), signal).catch((error: unknown) => error as Error);
    connected = typeof status === 'number';
    if (typeof status !== 'number') return { results: [], error: status };
    if (status >= 200 && status < 300) return { results: batch.map(() => 'delivered') };
    const error = new Error(`the sink answered ${status}`);
    if (status < 400 || status >= 500 || passing.has(status)) return { results: [], error };
    if (batch.length === 1) return { results: ['refused'], error };
    // One of them may be what it refuses.
    const half = Math.ceil(batch.length / 2);
    const first = await deliver(batch.slice(0, half), signal);
    if (first.results.length < half) return first;
    const second = await deliver(batch.slice(half), signal);
    return { results: [...first.results, ...second.results], error: second.error ?? first.error ?? error };
  };

  return {
    most: { records: 500, bytes: 1024 * 1024 },
    deliver,
    isConnected: () => connected,

    async probe() {
      const status = await post('check', Buffer.from(JSON.stringify({ messages: [] })));
      if (status >= 300) throw new Error(`it answered ${status} to a batch without messages`);
      return `${settings.url} takes batches`;
    },

    reload() {
      secrets = read();
      agent.destroy();
      agent = agentOf();
    },

    async close() {
      agent.destroy();
    },
  };
}

function keyOf(secret: string, file: string): Buffer {
  if (!form.test(secret)) throw new EdgeConfigError(`${file} must hold whsec_ and 24 to 64 octets in base64`);
  return Buffer.from(secret.slice('whsec_'.length), 'base64');
}

/** The same for the same messages alone: a batch that is tried again may have grown by others. */
function idOf(batch: readonly Kept[]): string {
  if (batch.length === 1) return batch[0]!.id;
  const hash = createHash('sha256');
  for (const { id } of batch) hash.update(`${id}\n`);
  return `batch_${hash.digest('hex').slice(0, 32)}`;
}

function bodyOf(batch: readonly Kept[]): Buffer {
  const messages = batch.map(({ id, account, thing, topic, priority, at, payload }) => ({
    id,
    account,
    thing,
    topic,
    priority,
    at: new Date(at).toISOString(),
    payload: Buffer.from(payload).toString('base64'),
  }));
  return Buffer.from(JSON.stringify({ messages }));
}
