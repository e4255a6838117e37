import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Keeps secrets at rest. `context` is authenticated with the secret: what was sealed as one thing cannot be opened as another. */
export type Sealer = {
  seal(secret: Uint8Array, context: string): Buffer;
  /** @throws Error when the keys, the context or the bytes differ from what was sealed. */
  open(sealed: Uint8Array, context: string): Buffer;
  /** The same sealed by the present key; undefined for what is so already. @throws Error as `open` */
  reseal(sealed: Uint8Array, context: string): Buffer | undefined;
  /** A key of 32 bytes for one purpose, the same wherever the sealing key is (RFC 5869). */
  derive(purpose: string): Buffer;
  /** Names the present key, and tells nothing about it. */
  keyId: string;
};

/** What each secret is sealed as. A column of the database with something sealed belongs into `src/reseal/columns.ts` too. */
export const sealedAs = {
  issuer: (id: string): string => `issuer:${id}`,
  tokenKey: (kid: string): string => `token-key:${kid}`,
  totp: (personId: string): string => `totp:${personId}`,
  provider: (providerId: string): string => `sign-in-provider:${providerId}`,
  providerRefresh: (providerId: string): string => `sign-in-refresh:${providerId}`,
  receiver: (id: string): string => `receiver:${id}`,
  enrollmentCheck: (id: string): string => `enrollment-check:${id}`,
} as const;

const ivBytes = 12;
const tagBytes = 16;

/**
 * AES-256-GCM under a 32-byte key: version, IV, tag, ciphertext. What another key sealed is opened too, where that key is
 * given; nothing is sealed with it.
 */
export function createSealer(key: Buffer, other?: Buffer): Sealer {
  const seal: Sealer['seal'] = (secret, context) => {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context));
    const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([Buffer.from([1]), iv, cipher.getAuthTag(), ciphertext]);
  };
  const derive = (purpose: string): Buffer => Buffer.from(hkdfSync('sha256', key, '', `thingward ${purpose}`, 32));
  const isOurs = (sealed: Uint8Array, context: string): boolean => {
    try {
      openWith(key, sealed, context);
      return true;
    } catch {
      return false;
    }
  };
  return {
    seal,
    open(sealed, context) {
      if (other === undefined || isOurs(sealed, context)) return openWith(key, sealed, context);
      return openWith(other, sealed, context);
    },
    reseal(sealed, context) {
      if (isOurs(sealed, context)) return undefined;
      return seal(openWith(other ?? key, sealed, context), context);
    },
    derive,
    keyId: derive('name of this key').toString('hex', 0, 8),
  };
}

function openWith(key: Buffer, sealed: Uint8Array, context: string): Buffer {
  const bytes = Buffer.from(sealed);
  if (bytes[0] !== 1) throw new Error('sealed by an unknown version');
  const iv = bytes.subarray(1, 1 + ivBytes);
  const tag = bytes.subarray(1 + ivBytes, 1 + ivBytes + tagBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(context)).setAuthTag(tag);
  return Buffer.concat([decipher.update(bytes.subarray(1 + ivBytes + tagBytes)), decipher.final()]);
}
