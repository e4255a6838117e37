import { createHash, createHmac, randomBytes, type KeyObject } from 'node:crypto';
import forge from 'node-forge';
import * as der from './der.js';
import { oids } from './oid.js';

const macIterations = 2048;

/**
 * A PKCS#12 file (RFC 7292) with the key under PBES2 (AES-256-CBC), the certificate and its chain in
 * clear, and an HMAC-SHA-256 over everything. `certificates` are DER, the device's own first.
 */
export function encodePkcs12(
  privateKey: KeyObject,
  certificates: Buffer[],
  friendlyName: string,
  password: string,
): Buffer {
  const keyId = createHash('sha1').update(certificates[0]!).digest();
  const own = bagAttributes(friendlyName, keyId);
  const shrouded = privateKey.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: password });
  const keys = der.sequence(bag(oids.pkcs8ShroudedKeyBag, shrouded, own));
  const certs = der.sequence(
    ...certificates.map((bytes, at) => bag(oids.certBag, certBag(bytes), at === 0 ? own : null)),
  );
  const safe = der.sequence(dataInfo(certs), dataInfo(keys));
  return der.sequence(der.integer(3), dataInfo(safe), mac(safe, password));
}

function dataInfo(content: Buffer): Buffer {
  return der.sequence(oids.data, der.encode(der.constructed(0), der.octetString(content)));
}

function bag(type: Buffer, value: Buffer, attributes: Buffer | null): Buffer {
  return der.sequence(type, der.encode(der.constructed(0), value), ...(attributes ? [attributes] : []));
}

function certBag(certificate: Buffer): Buffer {
  return der.sequence(oids.x509Certificate, der.encode(der.constructed(0), der.octetString(certificate)));
}

function bagAttributes(friendlyName: string, keyId: Buffer): Buffer {
  const bmp = der.encode(0x1e, Buffer.from(friendlyName, 'utf16le').swap16());
  return der.set(
    der.sequence(oids.friendlyName, der.set(bmp)),
    der.sequence(oids.localKeyId, der.set(der.octetString(keyId))),
  );
}

// node-forge has the key derivation of RFC 7292 §B.2, which node:crypto lacks; it wants binary strings.
function mac(safe: Buffer, password: string): Buffer {
  const salt = randomBytes(16);
  const pkcs12 = forge.pkcs12 as unknown as {
    generateKey(
      password: string,
      salt: forge.util.ByteStringBuffer,
      id: number,
      iterations: number,
      size: number,
      md: unknown,
    ): forge.util.ByteStringBuffer;
  };
  const key = pkcs12.generateKey(
    password,
    forge.util.createBuffer(salt.toString('binary')),
    3,
    macIterations,
    32,
    forge.md.sha256.create(),
  );
  const digest = createHmac('sha256', Buffer.from(key.getBytes(), 'binary')).update(safe).digest();
  const algorithm = der.sequence(oids.sha256, der.nullValue());
  return der.sequence(
    der.sequence(algorithm, der.octetString(digest)),
    der.octetString(salt),
    der.integer(macIterations),
  );
}
