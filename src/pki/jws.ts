/** JSON Web Signatures in compact form (RFC 7515 §7.1), by the key of an authority. */
import { verify, type KeyObject } from 'node:crypto';
import * as der from './der.js';
import type { KeyFamily } from './public-key.js';
import type { Signer } from './signer.js';

const algorithms: Record<KeyFamily, { alg: string; hash: string | null; octets?: number }> = {
  'ec-p256': { alg: 'ES256', hash: 'sha256', octets: 32 },
  'ec-p384': { alg: 'ES384', hash: 'sha384', octets: 48 },
  ed25519: { alg: 'EdDSA', hash: null },
  rsa: { alg: 'RS256', hash: 'sha256' },
};

/** Signs a JSON payload. What is signed begins with a letter, so it can be no certificate and no list. */
export function signCompact(signer: Signer, header: { typ: string; kid: string }, payload: object): string {
  const { alg, octets } = algorithms[signer.publicKey.family];
  const text = `${encode({ alg, ...header })}.${encode(payload)}`;
  const signature = signer.sign(Buffer.from(text));
  return `${text}.${(octets ? fixedLength(signature, octets) : signature).toString('base64url')}`;
}

/** A JWS that was read (RFC 7515). Nothing of it is believed before `isSignedBy`. */
type ReadJws = { header: Record<string, unknown>; payload: unknown; isSignedBy(key: KeyObject): boolean };

/** Reads a compact JWS; who signed it must be checked afterwards. @throws Error when it is none */
export function readCompact(text: string): ReadJws {
  const parts = text.trim().split('.');
  const [header, payload] = parts
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown);
  if (parts.length !== 3 || typeof header !== 'object' || header === null) throw new Error('it is no signed document');
  const signature = Buffer.from(parts[2]!, 'base64url');
  const named = Object.values(algorithms).find(({ alg }) => alg === (header as { alg?: unknown }).alg);
  const isSignedBy = (key: KeyObject): boolean =>
    named !== undefined &&
    familiesOf(key).includes(named.alg) &&
    verify(named.hash, Buffer.from(`${parts[0]}.${parts[1]}`), { key, dsaEncoding: 'ieee-p1363' }, signature);
  return { header: header as Record<string, unknown>, payload, isSignedBy };
}

// The key decides the algorithm, never the document alone.
function familiesOf(key: KeyObject): string[] {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ec')
    return curve === 'prime256v1' ? ['ES256'] : curve === 'secp384r1' ? ['ES384'] : [];
  return key.asymmetricKeyType === 'ed25519' ? ['EdDSA'] : key.asymmetricKeyType === 'rsa' ? ['RS256'] : [];
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The two integers of an ECDSA signature side by side (RFC 7518 §3.4). */
function fixedLength(signature: Buffer, octets: number): Buffer {
  const integers = der.members(der.readOne(signature), der.tags.sequence).map((each) => {
    const digits = der.contentOf(each, der.tags.integer);
    return Buffer.concat([Buffer.alloc(octets), digits]).subarray(-octets);
  });
  return Buffer.concat(integers);
}
