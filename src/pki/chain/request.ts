import * as der from '../der.js';
import { authorityName, extension } from '../issuer.js';
import { oids } from '../oid.js';
import { encodePem } from '../pem.js';
import { signed, type Signer } from '../signer.js';

/** A PEM PKCS#10 request (RFC 2986) for a CA that issues to devices: its name, and the extensions that it needs. */
export function encodeAuthorityRequest(account: string, signer: Signer): string {
  const extensions = der.sequence(
    extension(oids.basicConstraints, der.sequence(der.boolean(true), der.integer(0)), true),
    extension(oids.keyUsage, der.namedBits(5, 6), true),
  );
  const asked = der.sequence(oids.extensionRequest, der.set(extensions));
  const subject = authorityName(account, 'issuing CA', signer);
  const info = der.sequence(der.integer(0), subject, signer.publicKey.spki, der.encode(der.constructed(0), asked));
  return encodePem('CERTIFICATE REQUEST', signed(info, signer));
}
