import { malformed } from './decoded.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The value that a text says. @throws for what is not JSON in UTF-8 */
export function readJson(payload: Uint8Array): unknown {
  return JSON.parse(utf8.decode(payload)) as unknown;
}

/** @throws RangeError unless it is a list */
export function requireList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw malformed('is not a list');
  return value;
}
