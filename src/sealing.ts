import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Keeps secrets at rest. `context` is authenticated with the secret: what was sealed as one thing cannot be opened as another. */
export type Sealer = {
  seal(secret: Uint8Array, context: string): Buffer;
  /** @throws Error when the key, the context or the bytes differ from what was sealed. */
  open(sealed: Uint8Array, context: string): Buffer;
  /** A key of 32 bytes for one purpose, the same wherever the sealing key is (RFC 5869). */
  derive(purpose: string): Buffer;
};

const ivBytes = 12;
const tagBytes = 16;

/** AES-256-GCM under a 32-byte key: version, IV, tag, ciphertext. */
export function createSealer(key: Buffer): Sealer {
  return {
    seal(secret, context) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context));
      const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
      return Buffer.concat([Buffer.from([1]), iv, cipher.getAuthTag(), ciphertext]);
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed);
      if (bytes[0] !== 1) throw new Error('sealed by an unknown version');
      const iv = bytes.subarray(1, 1 + ivBytes);
      const tag = bytes.subarray(1 + ivBytes, 1 + ivBytes + tagBytes);
      const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(context)).setAuthTag(tag);
      return Buffer.concat([decipher.update(bytes.subarray(1 + ivBytes + tagBytes)), decipher.final()]);
    },
    derive: (purpose) => Buffer.from(hkdfSync('sha256', key, '', `thingward ${purpose}`, 32)),
  };
}
