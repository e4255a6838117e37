import type { KeyObject } from 'node:crypto';
import { thingUri } from '../pki/certificate.js';
import { parseCsrDer, requireProfile } from '../pki/csr/csr.js';
import { publicKeyOf, type KeyType, type PublicKey } from '../pki/public-key.js';
import { generateKeys } from '../pki/signer.js';

/** The key to certify; with its private half where the server made it. */
export type DeviceKey = { publicKey: PublicKey; privateKey?: KeyObject };

/** The key of a request for a thing's certificate, in DER; the request may name the thing as a DNS name too. @throws DomainError `bad-csr`, `bad-key` */
export function keyOfCsr(csr: Buffer, { account, name }: { account: string; name: string }): PublicKey {
  const request = parseCsrDer(csr);
  requireProfile(request, thingUri(account, name), name);
  return request.publicKey;
}

/** A new key for a device that makes none. */
export async function makeKey(type: KeyType): Promise<DeviceKey> {
  const { privateKey, publicKey } = await generateKeys(type);
  return { privateKey, publicKey: publicKeyOf(publicKey) };
}
