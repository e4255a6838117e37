import { hash as digest, randomBytes } from 'node:crypto';

/** `twe_`: an enrollment token, `twk_`: an API key, `twl_`: a link for one use, `tws_`: the session of a person. */
type CredentialPrefix = 'twe' | 'twk' | 'twl' | 'tws';

/** A new credential of 256 random bits, to be shown once, and its hash, which is all that Thingward stores. */
export function createCredential(prefix: CredentialPrefix): { token: string; hash: Buffer } {
  const token = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { token, hash: hashCredential(token) };
}

/** SHA-256 of the whole credential: with 256 random bits in it, a look-up by hash leaks nothing by its timing. */
export function hashCredential(token: string): Buffer {
  return digest('sha256', token, 'buffer');
}
