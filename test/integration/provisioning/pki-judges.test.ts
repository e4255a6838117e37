import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/pki/pem.js';
import { parseCsr } from '../../support/pki/csr.js';
import { encodePkcs12 } from '../../../src/pki/pkcs12.js';
import { parsePublicKey, type KeyType } from '../../../src/pki/public-key.js';
import { generateKeys } from '../../../src/pki/signer.js';
import { issueCrl, createAuthority } from '../../support/pki/authority.js';
import { runProgram, withFiles } from '../../support/pki/openssl.js';
import { describeWith } from '../../support/programs.js';

const now = new Date();
const validity = {
  notBefore: new Date(Math.floor(now.getTime() / 1000) * 1000 - 3_600_000),
  notAfter: new Date(Math.floor(now.getTime() / 1000) * 1000 + 90 * 86_400_000),
};
const keyTypes: KeyType[] = ['ec-p256', 'ec-p384', 'ed25519', 'rsa-2048'];

async function issueSample(caKey: KeyType, deviceKey: KeyType) {
  const authority = await createAuthority('acme', caKey, now);
  const privateKey = (await generateKeys(deviceKey)).privateKey;
  const publicKey = parsePublicKey(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }));
  const certificate = authority.issue({ account: 'acme', thingName: 'pump_17:a', publicKey, validity, index: 70_000n });
  const crl = issueCrl(authority.issuing, {
    number: 7n,
    thisUpdate: validity.notBefore,
    nextUpdate: validity.notAfter,
    entries: [{ serialNumber: certificate.serialNumber, revokedAt: now, reason: 'keyCompromise' }],
  });
  const rootCrl = issueCrl(authority.root, {
    number: 1n,
    thisUpdate: validity.notBefore,
    nextUpdate: validity.notAfter,
    entries: [],
  });
  const files = {
    'root.pem': encodePem('CERTIFICATE', authority.root.certificateDer),
    'int.pem': encodePem('CERTIFICATE', authority.issuing.certificateDer),
    'dev.pem': encodePem('CERTIFICATE', certificate.der),
    'chain.pem': [certificate.der, authority.issuing.certificateDer]
      .map((der) => encodePem('CERTIFICATE', der))
      .join(''),
    'crls.pem': encodePem('X509 CRL', crl) + encodePem('X509 CRL', rootCrl),
  };
  return { authority, privateKey, certificate, files };
}

describeWith(['openssl'], 'certificates and lists before OpenSSL', () => {
  for (const caKey of keyTypes) {
    for (const deviceKey of keyTypes) {
      it(`accepts a ${deviceKey} device under a ${caKey} authority, and knows it revoked`, async () => {
        const { files } = await issueSample(caKey, deviceKey);
        withFiles(files, (cwd) => {
          const verify = [
            'verify',
            '-x509_strict',
            '-purpose',
            'sslclient',
            '-CAfile',
            'root.pem',
            '-untrusted',
            'int.pem',
          ];
          expect(runProgram('openssl', [...verify, 'dev.pem'], cwd)).toContain('dev.pem: OK');
          expect(() =>
            runProgram('openssl', [...verify, '-CRLfile', 'crls.pem', '-crl_check_all', 'dev.pem'], cwd),
          ).toThrow(/error 23/);
        });
      });
    }
  }

  it('opens the PKCS#12 file with its key and its chain', async () => {
    const { authority, privateKey, certificate } = await issueSample('ec-p256', 'ec-p256');
    const ders = [certificate.der, authority.issuing.certificateDer, authority.root.certificateDer];
    withFiles({ 'device.p12': encodePkcs12(privateKey, ders, 'pump_17:a', 'sésame 1') }, (cwd) => {
      const text = runProgram('openssl', ['pkcs12', '-in', 'device.p12', '-passin', 'pass:sésame 1', '-nodes'], cwd);
      expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(3);
      expect(text).toContain('BEGIN PRIVATE KEY');
      expect(() =>
        runProgram('openssl', ['pkcs12', '-in', 'device.p12', '-passin', 'pass:wrong', '-nodes'], cwd),
      ).toThrow(/mac verify/i);
    });
  });

  it('makes requests that we read: openssl req with each kind of key', () => {
    for (const args of [
      ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
      ['ed25519'],
      ['rsa:2048'],
    ]) {
      withFiles({}, (cwd) => {
        runProgram(
          'openssl',
          ['req', '-new', '-nodes', '-newkey', ...args, '-keyout', 'k.pem', '-subj', '/CN=anything', '-out', 'r.pem'],
          cwd,
        );
        const pem = runProgram('cat', ['r.pem'], cwd);
        expect(parseCsr(pem, 'urn:thingward:acme:pump').publicKey.family).toBeTruthy();
      });
    }
  });
});

describeWith(['certtool'], 'certificates before GnuTLS', () => {
  it.each(keyTypes)('certtool verifies a chain with %s keys', async (keyType) => {
    const { files } = await issueSample(keyType, keyType);
    withFiles(files, (cwd) => {
      const text = runProgram(
        'certtool',
        ['--verify', '--load-ca-certificate', 'root.pem', '--infile', 'chain.pem'],
        cwd,
      );
      expect(text).toContain('Chain verification output: Verified');
    });
  });
});

describe('the refusals', () => {
  it('never signs for longer than the issuer lives', async () => {
    const { authority } = await issueSample('ec-p256', 'ec-p256');
    const publicKey = authority.root.signer.publicKey;
    const far = { notBefore: validity.notBefore, notAfter: new Date('2060-01-01T00:00:00Z') };
    const certificate = authority.issue({ account: 'acme', thingName: 'x', publicKey, validity: far, index: 0n });
    expect(certificate.notAfter).toEqual(authority.issuing.notAfter);
  });
});
