import { createHash } from 'node:crypto';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';

/**
 * A strong ETag of what of an object a caller can change. Members that change by themselves, such as when a thing was last
 * seen, do not change it.
 */
export function etagOf(...state: unknown[]): string {
  return `"${createHash('sha256').update(JSON.stringify(state)).digest('base64url').slice(0, 22)}"`;
}

/**
 * Holds a request to the object that its sender knows (RFC 9110 §13.1.1). Called with the object locked: what is compared
 * is what is changed. Weak tags match nothing, as the strong comparison has it (§8.8.3.2).
 * @throws DomainError `precondition-failed`
 */
export function requireMatch({ ifMatch }: Origin, etag: string): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  // A tag of Thingward's own has no comma in it.
  if (ifMatch.split(',').some((tag) => tag.trim() === etag)) return;
  throw new DomainError(
    'precondition-failed',
    'the object has changed since you read it: read it again, and send its present ETag in If-Match',
  );
}
