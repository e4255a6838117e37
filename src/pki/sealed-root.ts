import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';

/** A root whose key left the server: what the file holds under its passphrase. All but the account in PEM. */
export type ExportedRoot = { account: string; certificate: string; key: string; list: string };

// OWASP asks for 2^17; it takes 128 MiB and half a second.
const kdf = { name: 'scrypt', n: 131_072, r: 8, p: 1 } as const;
const maxmem = 256 * 1024 * 1024;
const [saltBytes, ivBytes, tagBytes] = [16, 12, 16];
const mostOctets = 4 * 1024 * 1024;

/** Says that a file cannot be opened, and why. */
export class SealedRootError extends Error {
  override readonly name = 'SealedRootError';
}

/** The shortest passphrase that is taken, in characters. */
export const leastPassphrase = 12;

/** A file that only the passphrase opens: AES-256-GCM under a key that scrypt (RFC 7914) makes of it. docs/ca-life.md has the format. */
export function sealRoot(root: ExportedRoot, passphrase: string): string {
  const [salt, iv] = [randomBytes(saltBytes), randomBytes(ivBytes)];
  const cipher = createCipheriv('aes-256-gcm', keyOf(passphrase, salt), iv).setAAD(aadOf(root.certificate));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(root)), cipher.final()]);
  const text = (bytes: Buffer): string => bytes.toString('base64');
  const file = {
    thingward: 'sealed-root',
    version: 1,
    certificate: root.certificate,
    kdf: { ...kdf, salt: text(salt) },
    cipher: { name: 'aes-256-gcm', iv: text(iv), tag: text(cipher.getAuthTag()) },
    sealed: text(sealed),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/** Opens such a file. @throws SealedRootError for another file, another passphrase, and one that was changed */
export function openRoot(file: string, passphrase: string): ExportedRoot {
  const { certificate, salt, iv, tag, sealed } = readFile(file);
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(passphrase, salt), iv, { authTagLength: tagBytes });
    decipher.setAAD(aadOf(certificate)).setAuthTag(tag);
    return JSON.parse(Buffer.concat([decipher.update(sealed), decipher.final()]).toString()) as ExportedRoot;
  } catch {
    throw new SealedRootError('the passphrase is not the one of this file, or the file was changed');
  }
}

function keyOf(passphrase: string, salt: Buffer): Buffer {
  return scryptSync(passphrase.normalize('NFC'), salt, 32, { N: kdf.n, r: kdf.r, p: kdf.p, maxmem });
}

function aadOf(certificate: string): Buffer {
  return Buffer.from(`thingward sealed-root 1\n${certificate}`);
}

type Parts = { certificate: string; salt: Buffer; iv: Buffer; tag: Buffer; sealed: Buffer };

function readFile(text: string): Parts {
  const other = new SealedRootError('it is no root that `thingward export-root` sealed');
  if (text.length > mostOctets) throw other;
  let read: { [Name in string]?: unknown };
  try {
    read = JSON.parse(text) as typeof read;
  } catch {
    throw other;
  }
  const { thingward, version, certificate, sealed } = read ?? {};
  const { salt, ...work } = (read['kdf'] ?? {}) as Record<string, unknown>;
  const { name, iv, tag } = (read['cipher'] ?? {}) as Record<string, unknown>;
  // The version says how much work it is: no file makes it more.
  const isKnown = thingward === 'sealed-root' && version === 1 && name === 'aes-256-gcm';
  if (!isKnown || JSON.stringify(work) !== JSON.stringify(kdf)) throw other;
  const [saltOctets, ivOctets, tagOctets, sealedOctets] = [salt, iv, tag, sealed].map((each) =>
    Buffer.from(typeof each === 'string' ? each : '', 'base64'),
  ) as [Buffer, Buffer, Buffer, Buffer];
  if (typeof certificate !== 'string' || ivOctets.length !== ivBytes || tagOctets.length !== tagBytes) throw other;
  return { certificate, salt: saltOctets, iv: ivOctets, tag: tagOctets, sealed: sealedOctets };
}
