import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { EntryOf } from '../../log/entries.js';
import type { Claims } from '../../authorize/rights.js';

/** A public key of access tokens, as the key set shows it (RFC 7517). */
export type TokenKey = { kid: string; alg: string; retiresAt?: string | undefined } & Record<string, unknown>;

type Known = { shown: TokenKey; key: KeyObject; verifies(bytes: Buffer, signature: Buffer, key: KeyObject): boolean };

const algorithms: Record<string, Known['verifies']> = {
  ES256: (bytes, signature, key) => verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature),
  RS256: (bytes, signature, key) => verify('sha256', bytes, key, signature),
  EdDSA: (bytes, signature, key) => verify(null, bytes, key, signature),
};

export type TokenKeys = ReturnType<typeof createTokenKeys>;

/** The keys of access tokens, as the log reports them. A key that is not here signs nothing. `issuer` is undefined where the control plane does not say it. */
export function createTokenKeys(now: () => number, issuer: () => string | undefined) {
  // By the first segment of the tokens that a key signs: the header is one that Thingward writes, to the octet.
  let byHeader = new Map<string, Known>();

  const add = (shown: TokenKey): void => {
    const verifies = algorithms[shown.alg];
    // A key of a later version: its tokens are denied.
    if (!verifies) return;
    const { kid, alg, retiresAt: _retiresAt, ...jwk } = shown;
    const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    byHeader.set(headerOf(kid, alg), { shown, key, verifies });
  };

  return {
    /** Replaces all keys. */
    load(keys: readonly TokenKey[]): void {
      byHeader = new Map();
      keys.forEach(add);
    },
    /** Keys that came, and when others end. */
    apply({ payload }: EntryOf<'token-keys'>): void {
      payload.came.forEach((key) => add(key));
      for (const { kid, retiresAt } of payload.went)
        for (const known of byHeader.values()) if (known.shown.kid === kid) known.shown = { ...known.shown, retiresAt };
    },
    /** All keys, to be loaded again. */
    shown: (): TokenKey[] => [...byHeader.values()].map(({ shown }) => shown),

    /**
     * The claims of an access token that one of these keys signed in the name of the issuer; undefined for any other. No time of it
     * is judged. As at the control plane, tokens with another issuer count no longer once its public address changed.
     */
    read(token: string): Claims | undefined {
      const segments = token.split('.', 4);
      const known = byHeader.get(segments[0]!);
      if (!known || segments.length !== 3 || !segments.every(isCanonical)) return undefined;
      const { retiresAt } = known.shown;
      if (retiresAt !== undefined && Date.parse(retiresAt) <= now()) return undefined;
      const signed = Buffer.from(token.slice(0, token.lastIndexOf('.')));
      if (!known.verifies(signed, Buffer.from(segments[2]!, 'base64url'), known.key)) return undefined;
      const claims = JSON.parse(Buffer.from(segments[1]!, 'base64url').toString()) as Claims & { iss: string };
      const expected = issuer();
      return expected === undefined || claims.iss === expected ? claims : undefined;
    },
  };
}

function headerOf(kid: string, alg: string): string {
  return Buffer.from(JSON.stringify({ alg, typ: 'at+jwt', kid })).toString('base64url');
}

/** Base64url without padding, in the only way to write its octets. */
function isCanonical(segment: string): boolean {
  return segment.length > 0 && Buffer.from(segment, 'base64url').toString('base64url') === segment;
}
