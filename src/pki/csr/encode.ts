import { createPublicKey, type KeyObject } from 'node:crypto';
import * as der from '../der.js';
import { encodePem } from '../pem.js';
import { createSigner, signed } from '../signer.js';

/** A PEM PKCS#10 request (RFC 2986) that says nothing but the key: all that Thingward takes from one. */
export function encodeCsr(privateKey: KeyObject): string {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const info = der.sequence(der.integer(0), der.sequence(), spki, der.encode(der.constructed(0)));
  return encodePem('CERTIFICATE REQUEST', signed(info, createSigner(privateKey)));
}
