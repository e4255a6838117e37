import { oids } from '../oid.js';

/** What a signature is made with: the kind of key, and the hash, as Node names them. */
export type SignatureAlgorithm = { type: 'ec' | 'rsa' | 'ed25519'; hash: string | null };

/**
 * Signatures with SHA-256 or better that are accepted from others, by their OID in DER and hex. RSA-PSS is not among them: it
 * says its hash in parameters.
 */
export const signatureAlgorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  [oids.ecdsaWithSha256.toString('hex'), { type: 'ec', hash: 'sha256' }],
  [oids.ecdsaWithSha384.toString('hex'), { type: 'ec', hash: 'sha384' }],
  [oids.ecdsaWithSha512.toString('hex'), { type: 'ec', hash: 'sha512' }],
  [oids.sha256WithRsa.toString('hex'), { type: 'rsa', hash: 'sha256' }],
  [oids.sha384WithRsa.toString('hex'), { type: 'rsa', hash: 'sha384' }],
  [oids.sha512WithRsa.toString('hex'), { type: 'rsa', hash: 'sha512' }],
  [oids.ed25519.toString('hex'), { type: 'ed25519', hash: null }],
]);
