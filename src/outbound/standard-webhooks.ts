import { createHmac, randomBytes } from 'node:crypto';
import { numericDate } from '../clock.js';

const form = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;
const [leastBytes, mostBytes] = [24, 64];

/** Whether a text is a secret of Standard Webhooks: `whsec_` and 24 to 64 octets in base64. */
export function isSecret(text: string): boolean {
  if (!form.test(text)) return false;
  const { length } = keyOf(text);
  return length >= leastBytes && length <= mostBytes;
}

/** A new secret. */
export const createSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/** The headers that sign a body (Standard Webhooks 1.0.0). */
export function signatureHeaders(secret: string, id: string, at: Date, body: string): Record<string, string> {
  const timestamp = String(numericDate(at));
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

const keyOf = (secret: string): Buffer => Buffer.from(secret.slice('whsec_'.length), 'base64');
