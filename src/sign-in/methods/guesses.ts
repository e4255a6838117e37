import { createHmac } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { DomainError } from '../../errors.js';
import type { Sealer } from '../../sealing.js';
import type { AttemptStore, Slowing } from '../attempt-store.js';

// Names share this many places: two of them meet once in a million, and then one is slowed down with the other.
const buckets = 2 ** 20;

const slowings = {
  password: { free: 5, mostSeconds: 60 },
  code: { free: 5, mostSeconds: 300 },
} satisfies Record<string, Slowing>;

export type Guesses = ReturnType<typeof createGuesses>;

/**
 * Slows guesses down, by who is guessed at. Nobody is ever locked out: the longest wait is a minute for passwords and five for codes,
 * and passkeys and single sign-on never wait. A name that nobody has is slowed down in the same way.
 */
export function createGuesses(store: AttemptStore, sealer: Pick<Sealer, 'derive'>, clock: Clock) {
  const secret = sealer.derive('names that are guessed at');
  const bucketOf = (what: string): number =>
    createHmac('sha256', secret).update(what).digest().readUInt32BE() % buckets;

  return {
    /**
     * Judges one guess at a secret of `whom`. @throws DomainError `too-many-requests` when it comes too early, and whatever judging it throws
     */
    async judging<Result>(kind: keyof typeof slowings, whom: string, judge: () => Promise<Result>): Promise<Result> {
      const bucket = bucketOf(`${kind} ${whom}`);
      const seconds = await store.begin(bucket, clock(), slowings[kind]);
      if (seconds > 0)
        throw new DomainError('too-many-requests', `too many wrong guesses: wait ${seconds} s, or use a passkey`, {
          retryAfter: seconds,
        });
      const result = await judge();
      await store.succeed(bucket);
      return result;
    },
  };
}
