import { createHmac, randomUUID } from 'node:crypto';
import { BrokerError, type Broker, type BrokerParts } from './broker.js';
import { createManagement } from './management.js';

type Options = BrokerParts & { secret: string };

const prefix = 'whsec_';
const leastOctets = 24;

/**
 * Any system that takes a signed POST, as Standard Webhooks describe it. What it answers with 2xx has been done: whoever answers ends
 * the sessions first. It lists nothing.
 */
export function createWebhook({ secret, ...parts }: Options): Broker {
  const management = createManagement(parts);
  const key = keyOf(secret);

  const post = async (type: string, data: object, signal: AbortSignal): Promise<void> => {
    const at = parts.now();
    const id = `msg_${randomUUID()}`;
    const timestamp = String(Math.floor(at / 1000));
    const body = JSON.stringify({ type, timestamp: new Date(at).toISOString(), data });
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatureOf(key, id, timestamp, body),
    };
    await management.ask({ method: 'POST', path: '', headers, body }, signal);
  };

  return {
    isBlind: true,
    lagMs: 0,
    async *sessions() {},
    sessionsOf: async () => [],
    bar: (user, reason, signal) => post('user.barred', { user, reason }, signal),
    admit: (user, signal) => post('user.admitted', { user }, signal),
    end: (user, signal) => post('sessions.end', { user }, signal),
    async check(signal) {
      await post('check', {}, signal);
      return 'it takes signed requests';
    },
    close: management.close,
  };
}

/** The value of `webhook-signature`: version 1, HMAC-SHA256 over id, time and body. */
export function signatureOf(key: Buffer, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** The octets of a secret such as `whsec_…`. @throws BrokerError for one that is too short, or no base64 */
export function keyOf(secret: string): Buffer {
  const text = secret.startsWith(prefix) ? secret.slice(prefix.length) : secret;
  const key = Buffer.from(text, 'base64');
  const again = key.toString('base64');
  // With its padding or without.
  if (key.length >= leastOctets && (again === text || again === text.padEnd(again.length, '='))) return key;
  throw new BrokerError(`the secret must be whsec_ and at least ${leastOctets} octets in base64`);
}
