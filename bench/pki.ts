import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createHash, createPublicKey, generateKeyPairSync, sign, verify, webcrypto } from 'node:crypto';
import forge from 'node-forge';
import { encodeCsr } from '../src/pki/csr/encode.js';
import { parseCsr } from '../test/support/pki/csr.js';
import { publicKeyOf } from '../src/pki/public-key.js';
import { createAuthority, testUrls } from '../test/support/pki/authority.js';
import { alternate, rate, rateSync, ratio, type Row } from './measure.js';

const day = 86_400_000;

/** Certificates per second, one key checked and one certificate signed each, against the floor and two libraries. */
export async function benchPki(): Promise<Row[]> {
  const now = new Date(Math.floor(Date.now() / 1000) * 1000);
  const { issue } = await createAuthority('acme', 'ec-p256', now);
  const validity = { notBefore: new Date(now.getTime() - 3_600_000), notAfter: new Date(now.getTime() + 90 * day) };
  const device = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const csr = encodeCsr(device.privateKey);
  const uri = 'urn:thingward:acme:pump-1';
  const request = { account: 'acme', thingName: 'pump-1', validity };
  let index = 0n;

  const message = Buffer.alloc(400, 7);
  const signature = sign('sha256', message, device.privateKey);
  const jwk = createPublicKey(device.privateKey).export({ format: 'jwk' });
  const rates = await alternate({
    floor: () =>
      rateSync(() => {
        verify('sha256', message, createPublicKey({ key: jwk, format: 'jwk' }), signature);
        sign('sha256', message, device.privateKey);
      }),
    ours: () => rateSync(() => issue({ ...request, publicKey: parseCsr(csr, uri).publicKey, index: index++ })),
    'keygen floor': () =>
      rateSync(() => {
        generateKeyPairSync('ec', { namedCurve: 'P-256' });
        sign('sha256', message, device.privateKey);
      }),
    'ours with keygen': () =>
      rateSync(() => {
        const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        issue({
          ...request,
          publicKey: publicKeyOf(publicKey),
          index: index++,
        });
      }),
    peculiar: await peculiar(csr, validity),
    forge: forgeRsa(validity),
  });
  const row = (name: string, what: string, against: string): Row => {
    const { median, spread } = rates.get(name)!;
    return {
      what,
      perSecond: median,
      spread,
      ...(against ? { ratio: ratio(median, rates.get(against)!.median), against } : {}),
    };
  };
  const ours = rates.get('ours')!.median;
  return [
    row('floor', 'floor: import and check one P-256 key (ECDSA verify), sign once', ''),
    row('ours', '`pki/`: CSR checked, certificate built, linted, signed', 'floor'),
    row('keygen floor', 'keygen floor: one P-256 key made, sign once', ''),
    row('ours with keygen', '`pki/`: key made, certificate built, linted, signed', 'keygen floor'),
    {
      ...row('peculiar', '@peculiar/x509: CSR checked, certificate signed (P-256)', ''),
      ratio: `ours ${ratio(ours, rates.get('peculiar')!.median)} x`,
      against: 'this row',
    },
    {
      ...row('forge', "node-forge's own signing: CSR checked, certificate signed (RSA-2048; it has no EC)", ''),
      ratio: `ours ${ratio(ours, rates.get('forge')!.median)} x`,
      against: 'this row',
    },
  ];
}

async function peculiar(csrPem: string, validity: { notBefore: Date; notAfter: Date }): Promise<() => Promise<number>> {
  x509.cryptoProvider.set(webcrypto as never);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const ca = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  return () =>
    rate(async () => {
      const csr = new x509.Pkcs10CertificateRequest(csrPem);
      if (!(await csr.verify())) throw new Error('bad CSR');
      await x509.X509CertificateGenerator.create({
        serialNumber: createHash('sha1')
          .update(String(Math.floor(performance.now() * 1e6)))
          .digest('hex'),
        subject: 'O=acme, CN=pump-1',
        issuer: 'O=acme, CN=issuing',
        ...validity,
        signingAlgorithm: algorithm,
        publicKey: csr.publicKey,
        signingKey: ca.privateKey as never,
        extensions: [
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.2']),
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.SubjectAlternativeNameExtension([{ type: 'url', value: 'urn:thingward:acme:pump-1' }]),
          await x509.SubjectKeyIdentifierExtension.create(csr.publicKey),
          new x509.CRLDistributionPointsExtension([testUrls.crl]),
        ],
      });
    });
}

function forgeRsa(validity: { notBefore: Date; notAfter: Date }): () => Promise<number> {
  const keys = forge.pki.rsa.generateKeyPair(2048);
  const csr = forge.pki.createCertificationRequest();
  csr.publicKey = keys.publicKey;
  csr.setSubject([{ name: 'commonName', value: 'pump-1' }]);
  csr.sign(keys.privateKey, forge.md.sha256.create());
  const pem = forge.pki.certificationRequestToPem(csr);
  return () =>
    rateSync(() => {
      const request = forge.pki.certificationRequestFromPem(pem);
      if (!request.verify()) throw new Error('bad CSR');
      const certificate = forge.pki.createCertificate();
      certificate.publicKey = request.publicKey!;
      certificate.serialNumber = '01';
      certificate.validity.notBefore = validity.notBefore;
      certificate.validity.notAfter = validity.notAfter;
      certificate.setSubject([{ name: 'commonName', value: 'pump-1' }]);
      certificate.setIssuer([{ name: 'commonName', value: 'issuing' }]);
      certificate.setExtensions([
        { name: 'basicConstraints', cA: false },
        { name: 'keyUsage', digitalSignature: true },
        { name: 'extKeyUsage', clientAuth: true },
      ]);
      certificate.sign(keys.privateKey, forge.md.sha256.create());
    });
}
