import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { addSeconds, type Clock } from '../../clock.js';
import type { Sealer } from '../../sealing.js';
import { refusal } from '../problem.js';

type Deps = {
  sealer: Pick<Sealer, 'derive'>;
  clock: Clock;
  /** False when this was used before, on any instance. */
  useOnce(hash: Buffer, expiresAt: Date): Promise<boolean>;
};

const lifeSeconds = 15 * 60;
// Clocks of instances differ.
const leewaySeconds = 5 * 60;
const [timeOctets, bodyOctets, octets] = [6, 16, 32];

/** A nonce that was made here or by another instance, and is not too old. Whether it was used before is not judged yet. */
export type Nonce = { digest: Buffer; until: Date };

export type Nonces = ReturnType<typeof createNonces>;

/**
 * Nonces against replay (RFC 8555 §6.5). Each says when it was made, under a key that all instances derive, so giving
 * one out leaves nothing behind. Only those that a known key signed are remembered, until they would be too old.
 */
export function createNonces({ sealer, clock, useOnce }: Deps) {
  const key = sealer.derive('acme nonces');
  const macOf = (body: Buffer): Buffer =>
    createHmac('sha256', key)
      .update(body)
      .digest()
      .subarray(0, octets - bodyOctets);

  return {
    /** A new nonce. */
    create(): string {
      const body = randomBytes(bodyOctets);
      body.writeUIntBE(clock().getTime(), 0, timeOctets);
      return Buffer.concat([body, macOf(body)]).toString('base64url');
    },

    /** @throws DomainError `badNonce` for what is none, or is too old */
    read(text: unknown): Nonce {
      const bytes = typeof text === 'string' && text.length === 43 ? Buffer.from(text, 'base64url') : Buffer.alloc(0);
      const body = bytes.subarray(0, bodyOctets);
      if (bytes.length !== octets || !timingSafeEqual(bytes.subarray(bodyOctets), macOf(body)))
        throw badNonce('unknown');
      const madeAt = new Date(body.readUIntBE(0, timeOctets));
      const until = addSeconds(madeAt, lifeSeconds);
      const at = clock();
      if (at >= until || madeAt > addSeconds(at, leewaySeconds)) throw badNonce('too old');
      return { digest: hash('sha256', Buffer.concat([Buffer.from('acme nonce '), body]), 'buffer'), until };
    },

    /** Lets a nonce count once, whichever instance is asked. @throws DomainError `badNonce` the second time */
    async use({ digest, until }: Nonce): Promise<void> {
      if (!(await useOnce(digest, addSeconds(until, 2 * leewaySeconds)))) throw badNonce('used up');
    },
  };
}

function badNonce(why: string) {
  return refusal('badNonce', `the nonce is ${why}: repeat the request with the one in Replay-Nonce`);
}
