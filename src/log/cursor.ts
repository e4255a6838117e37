import { DomainError } from '../errors.js';

/** A place in the log of one history; a restored backup begins another epoch. */
export type LogCursor = { epoch: string; position: number };

/** `epoch:position`, as {@link encodeCursor} spells it. */
export const cursorForm = /^[0-9a-f-]{36}:\d{1,15}$/;

/** A place as callers pass it around. */
export function encodeCursor({ epoch, position }: LogCursor): string {
  return `${epoch}:${position}`;
}

/** The place that a cursor names. @throws DomainError `invalid-request` for anything else */
export function parseCursor(text: string): LogCursor {
  if (!cursorForm.test(text))
    throw new DomainError('invalid-request', 'a cursor is epoch:position, exactly as it was issued');
  const [epoch, position] = text.split(':') as [string, string];
  return { epoch, position: Number(position) };
}

/** A cursor of another history. `next` says what to do instead. */
export function epochChanged(next: string, extras = {}): DomainError {
  return new DomainError(
    'epoch-changed',
    `the database was restored, or replaced by its standby, after this cursor was issued: ${next}`,
    extras,
  );
}

const feedSnapshot = '/v1/revocations/snapshot';

/** A cursor of another history, for a follower, who has to read everything again. */
export function followAnew(snapshot = feedSnapshot): DomainError {
  return epochChanged(`start again from ${snapshot}`, { links: { snapshot } });
}

/**
 * Refuses a cursor that leads nowhere in a log that is cut up to `pruned`; `snapshot` is where to start again.
 * @throws DomainError `epoch-changed`, `cursor-pruned`
 */
export function requireFollowable(
  cursor: LogCursor,
  log: { epoch: string; pruned: number },
  snapshot = feedSnapshot,
): void {
  if (cursor.epoch !== log.epoch) throw followAnew(snapshot);
  if (cursor.position < log.pruned)
    throw new DomainError(
      'cursor-pruned',
      `the entries after this cursor have been pruned: start again from ${snapshot}`,
      { links: { snapshot } },
    );
}
