import { DomainError } from '../errors.js';
import type { RegisteredThing } from '../registry.js';
import type { Unusable } from './store.js';

/** A thing that gets no certificate as it is. */
export function notActive({ name, status }: RegisteredThing): DomainError {
  const next =
    status === 'suspended'
      ? 'ask an operator to resume it'
      : 'ask an operator who may release certificates to re-enroll it, which gives the name to a new thing';
  return new DomainError('thing-not-active', `the thing ${name} is ${status}: ${next}`);
}

/** An enrollment that admits nobody. */
export function unusableEnrollment(why: Unusable): DomainError {
  if (why === 'account-suspended')
    return new DomainError('account-suspended', 'the account of this enrollment is suspended');
  const said = why === 'revoked' ? 'was revoked' : why === 'expired' ? 'has expired' : 'has been used up';
  return new DomainError('invalid-credential', `the enrollment ${said}: get a new one`);
}

/** What was expected is not, or no longer as it was read. */
export function notExpected(name: string): DomainError {
  return new DomainError(
    'outside-enrollment',
    `what is expected of ${name} changed at this moment: send the same request again`,
  );
}

/** A name belongs to one thing at a time. */
export function thingExists(name: string): DomainError {
  return new DomainError(
    'thing-exists',
    `the name ${name} is taken: it belongs to another key, or this request was first made over 24 hours ago (with the same key, renew instead); choose another name, or have an operator re-enroll the thing, which also works when it was revoked or deleted`,
  );
}

/** A segment takes no more things than its limit. */
export function segmentFull(segment: string): DomainError {
  return new DomainError(
    'segment-full',
    `the segment ${segment} has reached its deviceLimit: ask an operator to raise it or to move things out`,
  );
}

/** A key that was revoked as compromised is never certified again. */
export function keyBarred(): DomainError {
  return new DomainError('bad-key', 'this key was revoked as compromised: generate a new one');
}

/** A key belongs to one thing at a time. */
export function keyInUse(): DomainError {
  return new DomainError(
    'key-in-use',
    'this key belongs to another thing: generate a new key, or have an operator revoke that thing and re-enroll this one',
  );
}
