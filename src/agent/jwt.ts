import { sign, type KeyObject } from 'node:crypto';

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWT signed with a key on P-256 (RFC 7515, RFC 7518 §3.4: ES256). */
export function signJwt(key: KeyObject, header: object, claims: object): string {
  const signed = `${part({ ...header, alg: 'ES256' })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
