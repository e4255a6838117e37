/**
 * A gap list with what it is about, and a signature by a key of the key set:
 *
 * ```text
 * "TWG1"             4 octets
 * issuer             8 octets: its id
 * signed, ends       6 octets each: seconds since 1970
 * position           6 octets: the last entry of the log that the list covers
 * length             4 octets: of the gap list that follows
 * key id             1 octet of length, then ASCII
 * signature          the rest, over everything before it; for ECDSA r and s as in a JWS
 * ```
 */
import { verify as verifySignature, createPublicKey, type JsonWebKey } from 'node:crypto';

/** What a signed list says of itself. */
type ListClaims = { issuerId: string; signedAt: Date; endsAt: Date; position: number };

/** A key of a JSON Web Key Set (RFC 7517). */
export type PublicJwk = JsonWebKey & { kid?: string; alg?: string };

const magic = 'TWG1';
const headerOctets = 34;

/** Everything that is signed. */
export function packList({ issuerId, signedAt, endsAt, position }: ListClaims, gaps: Uint8Array, kid: string): Buffer {
  const header = Buffer.alloc(headerOctets);
  header.write(magic, 0, 'latin1');
  header.write(issuerId, 4, 'hex');
  header.writeUIntBE(signedAt.getTime() / 1000, 12, 6);
  header.writeUIntBE(endsAt.getTime() / 1000, 18, 6);
  header.writeUIntBE(position, 24, 6);
  header.writeUInt32BE(gaps.length, 30);
  return Buffer.concat([header, gaps, Buffer.from([kid.length]), Buffer.from(kid, 'latin1')]);
}

/** What a signed list holds, once its signature is verified. @throws Error when it is not a list that one of the keys signed */
export function unpackList(bytes: Buffer, keys: PublicJwk[]): { claims: ListClaims; gaps: Buffer } {
  if (bytes.length < headerOctets || bytes.toString('latin1', 0, 4) !== magic)
    throw new Error('this is not a signed gap list');
  const gapsEnd = headerOctets + bytes.readUInt32BE(30);
  const kidEnd = gapsEnd + 1 + (bytes[gapsEnd] ?? Infinity);
  if (kidEnd >= bytes.length) throw new Error('the signed gap list is incomplete');
  const kid = bytes.toString('latin1', gapsEnd + 1, kidEnd);
  const key = keys.find((each) => each.kid === kid);
  if (!key) throw new Error(`the key set has no key ${kid}: fetch it again`);
  if (!isSigned(key, bytes.subarray(0, kidEnd), bytes.subarray(kidEnd)))
    throw new Error('the signature of the list is wrong');
  const seconds = (at: number) => new Date(bytes.readUIntBE(at, 6) * 1000);
  const claims = {
    issuerId: bytes.toString('hex', 4, 12),
    signedAt: seconds(12),
    endsAt: seconds(18),
    position: bytes.readUIntBE(24, 6),
  };
  return { claims, gaps: bytes.subarray(headerOctets, gapsEnd) };
}

/** Whether a key of a key set made a signature as JSON Web Signatures are made (RFC 7518 §3.1). */
export function isSigned(jwk: PublicJwk, data: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return verifySignature(hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
}
