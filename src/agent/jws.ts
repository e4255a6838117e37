import type { X509Certificate } from 'node:crypto';
import { createHash, sign, verify, type KeyObject } from 'node:crypto';

/** What the header of a detached JWS says besides its algorithm. */
export type SignedHeader = {
  /** The serial number of the certificate, in hex. */
  kid: string;
  'x5t#S256': string;
  /** When it was signed, in seconds since 1970. */
  iat: number;
  /** Of the batch. */
  id: string;
};

const typ = 'batch';
const longest = 8192;

/** The algorithm (RFC 7518 §3.1, RFC 8037) and the hash for a key. */
export function schemeOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): { alg: string; hash: string | null } {
  if (asymmetricKeyType === 'rsa') return { alg: 'RS256', hash: 'sha256' };
  if (asymmetricKeyType === 'ed25519') return { alg: 'EdDSA', hash: null };
  const isLarge = asymmetricKeyDetails?.namedCurve === 'secp384r1';
  return isLarge ? { alg: 'ES384', hash: 'sha384' } : { alg: 'ES256', hash: 'sha256' };
}

/** What the header says by which certificate it was signed. */
export const thumbprintOf = ({ raw }: X509Certificate): string => createHash('sha256').update(raw).digest('base64url');

/** A JWS whose payload is elsewhere (RFC 7515 appendix F). */
export function signDetached(key: KeyObject, header: SignedHeader, payload: Uint8Array): string {
  const { alg, hash } = schemeOf(key);
  const encoded = Buffer.from(JSON.stringify({ alg, typ, ...header })).toString('base64url');
  const signature = sign(hash, signedOctets(encoded, payload), { key, dsaEncoding: 'ieee-p1363' });
  return `${encoded}..${signature.toString('base64url')}`;
}

/** The header of a detached JWS that the key of a certificate signed for this payload. @throws Error that says what is wrong */
export function verifyDetached(jws: string, payload: Uint8Array, certificate: X509Certificate): SignedHeader {
  const [encoded, empty, signature, more] = jws.length > longest ? [] : jws.split('.');
  if (encoded === undefined || empty !== '' || signature === undefined || more !== undefined)
    throw new Error('the signature is no detached JWS: HEADER..SIGNATURE');
  const header = readHeader(encoded);
  const { alg, hash } = schemeOf(certificate.publicKey);
  if (header.alg !== alg || header.crit !== undefined || header.typ !== typ)
    throw new Error(`the header of the signature is not one of a batch by a key for ${alg}`);
  if (header['x5t#S256'] !== thumbprintOf(certificate))
    throw new Error(`the batch was signed by another certificate, with the serial number ${String(header.kid)}`);
  const key = { key: certificate.publicKey, dsaEncoding: 'ieee-p1363' } as const;
  if (!verify(hash, signedOctets(encoded, payload), key, Buffer.from(signature, 'base64url')))
    throw new Error('the signature does not belong to these octets: the batch was changed');
  return header as SignedHeader;
}

function readHeader(encoded: string): Record<string, unknown> {
  try {
    const header = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8')) as Record<string, unknown> | null;
    if (
      typeof header === 'object' &&
      header !== null &&
      typeof header['id'] === 'string' &&
      Number.isInteger(header['iat'])
    )
      return header;
  } catch {
    // It is refused like other values.
  }
  throw new Error('the header of the signature cannot be read');
}

const signedOctets = (encoded: string, payload: Uint8Array): Buffer =>
  Buffer.from(`${encoded}.${Buffer.from(payload).toString('base64url')}`);
