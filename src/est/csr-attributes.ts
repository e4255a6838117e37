import * as der from '../pki/der.js';
import { oids } from '../pki/oid.js';

const attribute = (type: Buffer, ...values: Buffer[]): Buffer => der.sequence(type, der.set(...values));

/**
 * What a request should look like, in DER (CsrAttrs, RFC 7030 §4.5.2 and RFC 9908 §3): a key on P-256, a subject that is one
 * commonName, and the two extensions that device certificates have. The template says it in full; the attribute before it is for
 * clients that know no template. There is one extension attribute, inside the template (RFC 9908 §3.4).
 */
export const csrAttributes: Buffer = der.sequence(
  attribute(oids.ecPublicKey, oids.prime256v1),
  oids.ecdsaWithSha256,
  attribute(oids.certificationRequestInfoTemplate, template()),
);

/** CertificationRequestInfoTemplate, with the implicit tags of RFC 9908 §3.4. The name of the device is for the client to fill in. */
function template(): Buffer {
  const subject = der.sequence(der.set(der.sequence(oids.commonName)));
  const keyInfo = der.encode(der.constructed(0), der.sequence(oids.ecPublicKey, oids.prime256v1));
  const extensions = der.sequence(
    der.sequence(oids.keyUsage, der.boolean(true), der.octetString(der.namedBits(0))),
    der.sequence(oids.extKeyUsage, der.octetString(der.sequence(oids.clientAuth))),
  );
  const attributes = der.encode(der.constructed(1), attribute(oids.extensionReqTemplate, extensions));
  return der.sequence(der.integer(0), subject, keyInfo, attributes);
}
