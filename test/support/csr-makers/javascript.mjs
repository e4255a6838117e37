// node-forge, @peculiar/x509 and PKI.js. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and what made each.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import forge from 'node-forge';
import * as x509 from '@peculiar/x509';
import * as pkijs from 'pkijs';
import * as asn1js from 'asn1js';

const keep = (name, what, text) => {
  writeFileSync(`${name}.csr`, text);
  console.log(`${name}\t${what}`);
};
x509.cryptoProvider.set(webcrypto);
const sign = ['sign', 'verify'];
const algorithms = {
  ec256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  ec384: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  ec521: { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
  rsa2048: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  },
  'rsa-sha1': {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-1',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  },
  pss: {
    name: 'RSA-PSS',
    hash: 'SHA-256',
    saltLength: 32,
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  },
  ed25519: { name: 'Ed25519' },
};
for (const [name, algorithm] of Object.entries(algorithms)) {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, sign);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=pump-17, O=Acme',
    keys,
    signingAlgorithm: algorithm,
  });
  keep(
    `peculiar-${name}`,
    `@peculiar/x509, ${algorithm.name} ${algorithm.namedCurve ?? algorithm.hash ?? ''}`,
    request.toString('pem'),
  );
}
const ec = await webcrypto.subtle.generateKey(algorithms.ec256, true, sign);
const extensions = {
  usage: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true)],
  'usage-more': [new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment)],
  client: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
  ca: [new x509.BasicConstraintsExtension(true)],
  uri: [new x509.SubjectAlternativeNameExtension([{ type: 'url', value: 'urn:thingward:default:corpus' }])],
};
for (const [name, asked] of Object.entries(extensions)) {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=pump-17',
    keys: ec,
    signingAlgorithm: algorithms.ec256,
    extensions: asked,
    attributes: [new x509.ChallengePasswordAttribute('secret')],
  });
  keep(`peculiar-${name}`, `@peculiar/x509, ${name} and a challenge password`, request.toString('pem'));
}
for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
  const request = new pkijs.CertificationRequest();
  request.subject.typesAndValues.push(
    new pkijs.AttributeTypeAndValue({ type: '2.5.4.3', value: new asn1js.Utf8String({ value: 'pump-17' }) }),
  );
  await request.subjectPublicKeyInfo.importKey(
    ec.publicKey,
    new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto }),
  );
  await request.sign(ec.privateKey, hash, new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto }));
  const octets = Buffer.from(request.toSchema().toBER(false)).toString('base64');
  keep(`pkijs-ec-${hash}`, `PKI.js, P-256 and ${hash}`, octets);
}
const keys = forge.pki.rsa.generateKeyPair(2048);
for (const hash of ['md5', 'sha1', 'sha256', 'sha384', 'sha512']) {
  const request = forge.pki.createCertificationRequest();
  request.publicKey = keys.publicKey;
  request.setSubject([
    { name: 'commonName', value: 'pump-17' },
    { name: 'organizationName', value: 'Acme' },
  ]);
  request.setAttributes([{ name: 'challengePassword', value: 'secret' }]);
  request.sign(keys.privateKey, forge.md[hash].create());
  keep(`forge-rsa-${hash}`, `node-forge, RSA 2048 and ${hash}`, forge.pki.certificationRequestToPem(request));
}
