// Writes requests with node-forge, @peculiar/x509, jsrsasign and pkijs.
import 'reflect-metadata';
import { writeFileSync, mkdirSync, readFileSync } from 'node:fs';
import { webcrypto } from 'node:crypto';
import forge from 'node-forge';
import * as x509 from '@peculiar/x509';
import * as pkijs from 'pkijs';
import * as asn1js from 'asn1js';
import jsrsasign from 'jsrsasign';

const [out, keys] = process.argv.slice(2);
const save = (maker, name, text) => {
  mkdirSync(`${out}/${maker}`, { recursive: true });
  writeFileSync(`${out}/${maker}/${name}.pem`, text.endsWith('\n') ? text : `${text}\n`);
};
const rsa = (bits) => readFileSync(`${keys}/rsa${bits}.pem`, 'utf8');

// node-forge: RSA only
const attributes = {
  plain: [],
  challenge: [
    { name: 'challengePassword', value: 'secret' },
    { name: 'unstructuredName', value: 'x' },
  ],
  client: [
    {
      name: 'extensionRequest',
      extensions: [
        { name: 'keyUsage', digitalSignature: true },
        { name: 'extKeyUsage', clientAuth: true },
        { name: 'basicConstraints', cA: false },
      ],
    },
  ],
  encipherment: [
    { name: 'extensionRequest', extensions: [{ name: 'keyUsage', digitalSignature: true, keyEncipherment: true }] },
  ],
  dns: [
    {
      name: 'extensionRequest',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'pump.example.com' }] }],
    },
  ],
  ca: [{ name: 'extensionRequest', extensions: [{ name: 'basicConstraints', cA: true }] }],
  'ns-client': [{ name: 'extensionRequest', extensions: [{ name: 'nsCertType', client: true }] }],
  'ns-server': [{ name: 'extensionRequest', extensions: [{ name: 'nsCertType', client: true, server: true }] }],
};
const forged = (name, bits, md, kind, subject) => {
  const key = forge.pki.privateKeyFromPem(rsa(bits));
  const csr = forge.pki.createCertificationRequest();
  csr.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
  csr.setSubject(
    subject ?? [
      { name: 'commonName', value: 'pump' },
      { shortName: 'OU', value: 'a' },
      { shortName: 'OU', value: 'b' },
    ],
  );
  if (attributes[kind].length > 0) csr.setAttributes(attributes[kind]);
  csr.sign(key, md);
  save('node-forge', name, forge.pki.certificationRequestToPem(csr));
};
for (const bits of [1024, 2048, 4096]) forged(`rsa${bits}-default`, bits, undefined, 'plain');
for (const md of ['sha256', 'sha384', 'sha512', 'md5']) forged(`rsa2048-${md}`, 2048, forge.md[md].create(), 'plain');
for (const kind of Object.keys(attributes)) forged(`rsa2048-sha256-${kind}`, 2048, forge.md.sha256.create(), kind);
forged('rsa2048-sha256-empty', 2048, forge.md.sha256.create(), 'plain', []);

// @peculiar/x509
x509.cryptoProvider.set(webcrypto);
const made = async (name, algorithm, options = {}) => {
  const pair = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: 'CN=pump, O=Example', keys: pair, signingAlgorithm: algorithm, ...options },
    webcrypto,
  );
  save('peculiar-x509', name, csr.toString('pem'));
};
const ec = (namedCurve, hash = 'SHA-256') => ({ name: 'ECDSA', namedCurve, hash });
const rsassa = (modulusLength, name = 'RSASSA-PKCS1-v1_5', hash = 'SHA-256', more = {}) => ({
  name,
  hash,
  modulusLength,
  publicExponent: new Uint8Array([1, 0, 1]),
  ...more,
});
await made('p256-sha256', ec('P-256'));
await made('p256-sha1', ec('P-256', 'SHA-1'));
await made('p384-sha384', ec('P-384', 'SHA-384'));
await made('p521-sha512', ec('P-521', 'SHA-512'));
await made('ed25519', { name: 'Ed25519' });
await made('rsa1024-sha256', rsassa(1024));
await made('rsa2048-sha256', rsassa(2048));
await made('rsa2048-sha1', rsassa(2048, undefined, 'SHA-1'));
await made('rsa2048-pss', rsassa(2048, 'RSA-PSS', 'SHA-256', { saltLength: 32 }));
await made('p256-client', ec('P-256'), {
  extensions: [
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.2']),
  ],
});
await made('p256-encipherment', ec('P-256'), {
  extensions: [new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment)],
});
await made('p256-dns', ec('P-256'), {
  extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'a.example.com' }])],
});
await made('p256-challenge', ec('P-256'), { attributes: [new x509.ChallengePasswordAttribute('secret')] });
await made('p256-multi-valued', ec('P-256'), { name: 'CN=pump+OU=a, DC=example, DC=com' });
await made('p256-empty', ec('P-256'), { name: '' });

// jsrsasign
const { KEYUTIL, KJUR } = jsrsasign;
const sign = (name, key, sigalg, more = {}) => {
  const prv = typeof key === 'string' ? KEYUTIL.getKey(key) : key;
  const pub = typeof key === 'string' ? KEYUTIL.getKey(key) : more.pub;
  const csr = new KJUR.asn1.csr.CertificationRequest({
    subject: { str: '/C=DE/O=Example/CN=pump' },
    sbjpubkey: pub,
    sigalg,
    sbjprvkey: prv,
    ...more.params,
  });
  save('jsrsasign', name, csr.getPEM());
};
const rsaKey = rsa(2048);
sign('rsa2048-sha256', rsaKey, 'SHA256withRSA');
sign('rsa2048-sha1', rsaKey, 'SHA1withRSA');
sign('rsa2048-pss', rsaKey, 'SHA256withRSAandMGF1');
for (const [curve, alg] of [
  ['secp256r1', 'SHA256withECDSA'],
  ['secp384r1', 'SHA384withECDSA'],
  ['secp256k1', 'SHA256withECDSA'],
]) {
  const { prvKeyObj, pubKeyObj } = KEYUTIL.generateKeypair('EC', curve);
  sign(`${curve}`, prvKeyObj, alg, { pub: pubKeyObj });
  sign(`${curve}-client`, prvKeyObj, alg, {
    pub: pubKeyObj,
    params: {
      extreq: [
        { extname: 'keyUsage', names: ['digitalSignature'] },
        { extname: 'extKeyUsage', array: ['clientAuth'] },
      ],
    },
  });
  if (curve === 'secp256r1')
    sign(`${curve}-dns`, prvKeyObj, alg, {
      pub: pubKeyObj,
      params: { extreq: [{ extname: 'subjectAltName', array: [{ dns: 'example.com' }] }] },
    });
}

// pkijs
pkijs.setEngine('node', new pkijs.CryptoEngine({ crypto: webcrypto }));
const pkijsMade = async (name, algorithm, hash) => {
  const pair = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const csr = new pkijs.CertificationRequest();
  csr.version = 0;
  csr.subject.typesAndValues.push(
    new pkijs.AttributeTypeAndValue({ type: '2.5.4.3', value: new asn1js.Utf8String({ value: 'pump' }) }),
  );
  await csr.subjectPublicKeyInfo.importKey(pair.publicKey);
  await csr.sign(pair.privateKey, hash);
  const base64 = Buffer.from(csr.toSchema().toBER(false)).toString('base64');
  save(
    'pkijs',
    name,
    `-----BEGIN CERTIFICATE REQUEST-----\n${base64.match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE REQUEST-----`,
  );
};
await pkijsMade('p256-sha256', ec('P-256'), 'SHA-256');
await pkijsMade('p384-sha384', ec('P-384'), 'SHA-384');
await pkijsMade('p521-sha512', ec('P-521'), 'SHA-512');
await pkijsMade('rsa2048-sha256', rsassa(2048), 'SHA-256');
await pkijsMade('rsa2048-sha1', rsassa(2048), 'SHA-1');
await pkijsMade('rsa2048-pss', rsassa(2048, 'RSA-PSS'), 'SHA-256');
