import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCertificateIssuer } from '../../../src/pki/certificate.js';
import { readAuthorityChain } from '../../../src/pki/chain/chain.js';
import { encodeAuthorityRequest } from '../../../src/pki/chain/request.js';
import { openIssuer } from '../../../src/pki/issuer.js';
import { encodeCertificate } from '../../../src/pki/pem.js';
import { createSigner, generateKeys } from '../../../src/pki/signer.js';
import { testUrls } from '../../support/pki/authority.js';
import { caExtensions, createExternalRoot, type ExternalRoot } from '../../support/pki/external-root.js';
import { describeWith } from '../../support/programs.js';

const now = new Date();
const account = 'Acme';

describeWith(['openssl'], 'the chain of an authority that others signed', () => {
  let outside: ExternalRoot;
  let csr: string;
  let key: Awaited<ReturnType<typeof generateKeys>>['privateKey'];
  beforeAll(async () => {
    outside = createExternalRoot('/CN=Root');
    key = (await generateKeys('ec-p256')).privateKey;
    csr = encodeAuthorityRequest(account, createSigner(key));
  });
  afterAll(() => outside.remove());

  const read = (pem: string, at = new Date()) =>
    readAuthorityChain(pem, { spki: createSigner(key).publicKey.spki, account, at });

  /** Whether OpenSSL believes a device under a chain. */
  const opensslBelieves = async (pem: string): Promise<boolean> => {
    const [own, ...above] = pem.split(/(?<=-----END CERTIFICATE-----\n)/);
    const certificate = new X509Certificate(own!);
    const dates = { notBefore: new Date(certificate.validFrom), notAfter: new Date(certificate.validTo) };
    const issuer = openIssuer(certificate.raw, dates, createSigner(key));
    const device = createSigner((await generateKeys('ec-p256')).privateKey).publicKey;
    const validity = { notBefore: dates.notBefore, notAfter: new Date(dates.notBefore.getTime() + 3_600_000) };
    const request = { account, thingName: 'pump-1', publicKey: device, validity, index: 1n };
    const { der } = createCertificateIssuer(issuer, testUrls)(request);
    outside.file('device.pem', encodeCertificate(der));
    outside.file('untrusted.pem', own! + above.slice(0, -1).join(''));
    outside.file('trusted.pem', above.at(-1)!);
    const files = ['-CAfile', outside.at('trusted.pem'), '-untrusted', outside.at('untrusted.pem')];
    try {
      const asked = ['verify', '-purpose', 'sslclient', ...files, outside.at('device.pem')];
      return execFileSync('openssl', asked, { stdio: 'pipe' }).includes('OK');
    } catch {
      return false;
    }
  };

  const usage = { keyUsage: 'critical,keyCertSign,cRLSign' };
  const cases: [string, Record<string, string>, string | undefined][] = [
    ['a CA without a path length', caExtensions(), undefined],
    ['no CA', { ...usage, basicConstraints: 'CA:FALSE' }, 'is no CA'],
    ['no keyCertSign', { basicConstraints: 'CA:TRUE', keyUsage: 'cRLSign' }, 'lacks keyCertSign'],
    ['no usage of servers alone', { ...caExtensions(0), extendedKeyUsage: 'serverAuth' }, 'lacks clientAuth'],
    ['usage of clients', { ...caExtensions(0), extendedKeyUsage: 'clientAuth,serverAuth' }, undefined],
    ['names of the account', { ...caExtensions(0), nameConstraints: 'critical,permitted;dirName:works' }, undefined],
    ['other names', { ...caExtensions(0), nameConstraints: 'critical,permitted;dirName:strange' }, 'does not permit'],
    ['not these names', { ...caExtensions(0), nameConstraints: 'critical,excluded;dirName:works' }, 'excludes'],
    ['not other names', { ...caExtensions(0), nameConstraints: 'critical,excluded;dirName:strange' }, undefined],
    ['constrained URIs', { ...caExtensions(0), nameConstraints: 'critical,permitted;URI:.works' }, 'constrains URIs'],
    ['constrained hosts', { ...caExtensions(0), nameConstraints: 'critical,permitted;DNS:works' }, undefined],
    ['a critical unknown', { ...caExtensions(0), '1.2.3.4': 'critical,DER:0500' }, 'critical extension 1.2.3.4'],
  ];
  const sections = { works: '[works]\nO = acme\n', strange: '[strange]\nO = Strange\n' };

  it.each(cases)('says the same of %s as OpenSSL', async (_what, extensions, why) => {
    const constrained = Object.values(extensions).find((value) => value.includes('dirName'));
    const section = constrained?.endsWith('works') ? sections.works : constrained ? sections.strange : '';
    const last = section && Object.entries(extensions).at(-1)!;
    const all = last ? { ...extensions, [last[0]]: `${last[1]}\n${section}` } : extensions;
    const pem = outside.sign(csr, { subjectKeyIdentifier: 'hash', ...all }) + outside.pem;
    if (why === undefined) expect(read(pem).above).toHaveLength(1);
    else expect(() => read(pem)).toThrow(why);
    expect(await opensslBelieves(pem)).toBe(why === undefined);
  });

  it('counts the CAs below each path length, in chains of three and four', async () => {
    const middle = outside.makeIntermediate('middle', '/CN=Middle', caExtensions(1));
    outside.makeIntermediate('low', '/CN=Low', caExtensions(0), 'middle');
    const low = readFileSync(outside.at('low.pem'), 'utf8');
    const fits = outside.sign(csr, caExtensions(0), 'middle') + middle + outside.pem;
    expect(read(fits).above).toHaveLength(2);
    const [own, ...above] = fits.split(/(?<=-----END CERTIFICATE-----\n)/);
    expect(read([...above.reverse(), own].join('')).above.map(({ der }) => encodeCertificate(der))).toEqual([
      middle,
      outside.pem,
    ]);
    const tooLong = outside.sign(csr, caExtensions(0), 'low') + low + middle + outside.pem;
    expect(() => read(tooLong)).toThrow('path length');
    expect([await opensslBelieves(fits), await opensslBelieves(tooLong)]).toEqual([true, false]);
  });

  it('judges dates of every certificate, and the algorithm of every signature', () => {
    const pem = outside.sign(csr) + outside.pem;
    expect(() => read(pem, new Date(now.getTime() + 1001 * 86_400_000))).toThrow('expired');
    expect(() => read(pem, new Date(now.getTime() - 86_400_000))).toThrow('not valid yet');
    expect(() => read(outside.sign(csr, caExtensions(0), 'root', ['-days', '9', '-sha1']) + outside.pem)).toThrow(
      'SHA-256 or better',
    );
  });

  it('takes one chain alone: no strangers, no keys, no loops, no halves, nothing endless', () => {
    const stranger = outside.makeRoot('stranger', '/CN=Stranger');
    const own = outside.sign(csr);
    const same = outside.makeRoot('same', '/CN=Root');
    const refused: [string, string][] = [
      [own + outside.pem + stranger, 'does not belong to the chain'],
      [own + stranger, 'nothing signed'],
      [own + same, 'nothing signed'],
      [own + own + outside.pem, 'two certificates'],
      [own, 'nothing signed'],
      [outside.pem, 'no certificate is for the key'],
      [`${own}${outside.pem}${key.export({ type: 'pkcs8', format: 'pem' }).toString()}`, 'private key'],
      [own + outside.pem + csr, 'other blocks'],
      [own.slice(0, -30), 'missing'],
      [own.replace('MII', 'MIJ') + outside.pem, 'refused'],
      ['-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n', 'refused'],
      [own.repeat(12), 'more than 10'],
      [`${own}${' '.repeat(70_000)}`, '64 KiB'],
    ];
    for (const [pem, why] of refused) expect(() => read(pem), why).toThrow(why);
  });

  it('every octet of a chain that is changed is refused as a problem, or changes nothing that counts', () => {
    const chain = [outside.sign(csr), outside.pem].map((pem) => new X509Certificate(pem).raw);
    let refusals = 0;
    for (const [n, bytes] of chain.entries())
      for (let at = 0; at < bytes.length; at++) {
        const bent = Buffer.from(bytes);
        bent[at]! ^= 0x41;
        const pem = chain.map((each, m) => encodeCertificate(m === n ? bent : each)).join('');
        expect(() => {
          try {
            read(pem);
          } catch (error) {
            refusals++;
            if ((error as { code?: string }).code === 'bad-chain') throw new Error('refused', { cause: error });
            throw error;
          }
        }, `${n} ${at}`).toThrow('refused');
      }
    expect(refusals).toBe(chain[0]!.length + chain[1]!.length);
  });
});
