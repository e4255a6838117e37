import { hash, randomBytes } from 'node:crypto';
import { networkOf } from '../address.js';
import type { Clock } from '../clock.js';
import { DomainError, type ErrorCode } from '../errors.js';

/** Counts the wrong credentials of each source address; IPv6 by /64, which is what one customer is given. */
export type FailureLimiter = {
  /** True while no address can be over the limit. */
  isQuiet(): boolean;
  /** @throws DomainError `too-many-requests` when an address is over the limit: nothing is looked up for it */
  requireRoom(address: string): void;
  /** Notes one more failure of `address`. @throws DomainError `too-many-requests` beyond the limit */
  count(address: string): void;
  /**
   * Does work that judges a credential, and counts its refusal. Over the limit it is not begun, unless the credential
   * is one that was valid recently.
   */
  counting<Result>(address: string, isKnown: () => boolean, work: () => Promise<Result>): Promise<Result>;
};

const windowMs = 60_000;
const rows = 4;
const columns = 65_536;
const failures: ReadonlySet<ErrorCode> = new Set([
  'invalid-client',
  'invalid-credential',
  'invalid-grant',
  'manufacturer-refused',
]);

/**
 * A window of a minute for each address. The counts stand in a sketch of a fixed size (count-min, under a secret), so
 * that no number of addresses makes it grow or forget: it may count too much, for an address that shares all four of
 * its cells with others, and never too little. Only failures are limited: neighbours behind one address do not lock
 * out a device whose credential was valid recently. `noted` hears of each failure.
 */
export function createFailureLimiter(perMinute: number, clock: Clock, noted = (): void => {}): FailureLimiter {
  const cells = new Uint32Array(rows * columns);
  const secret = randomBytes(16).toString('hex');
  let [begun, total] = [0, 0];

  const now = (): number => {
    const at = clock().getTime();
    // A clock that was set back would keep the window open for long.
    if (at >= begun && at < begun + windowMs) return at;
    if (total > 0) cells.fill(0);
    [begun, total] = [at, 0];
    return at;
  };

  const cellsOf = (address: string): number[] => {
    const digest = hash('sha256', `${secret} ${networkOf(address)}`, 'buffer');
    return Array.from({ length: rows }, (_, row) => row * columns + digest.readUInt16BE(2 * row));
  };

  const refuse = (at: number): never => {
    const retryAfter = Math.max(1, Math.ceil((begun + windowMs - at) / 1000));
    const detail = `this address sent too many wrong credentials: wait ${retryAfter} s, then use the right one`;
    throw new DomainError('too-many-requests', detail, { retryAfter });
  };

  const countOf = (places: number[]): number => Math.min(...places.map((place) => cells[place]!));

  const requireRoom = (address: string): void => {
    const at = now();
    // While there are fewer failures than one address may have, nobody is over the limit.
    if (total >= perMinute && countOf(cellsOf(address)) >= perMinute) refuse(at);
  };

  const count = (address: string): void => {
    const at = now();
    noted();
    const places = cellsOf(address);
    const counted = countOf(places);
    if (counted >= perMinute) refuse(at);
    total++;
    for (const place of places) cells[place] = Math.max(cells[place]!, counted + 1);
  };

  return {
    isQuiet(): boolean {
      now();
      return total < perMinute;
    },
    requireRoom,
    count,
    async counting(address, isKnown, work) {
      if (!isKnown()) requireRoom(address);
      try {
        return await work();
      } catch (error) {
        if (error instanceof DomainError && failures.has(error.code)) count(address);
        throw error;
      }
    },
  };
}
