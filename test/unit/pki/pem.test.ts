import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as der from '../../../src/pki/der.js';
import { encodeCertificate, encodePem, PemError, readCertificate, readPem } from '../../../src/pki/pem.js';

/** What looks like a certificate from outside, which is all that is judged. */
const likeCertificate = (octets: number): Buffer =>
  der.sequence(der.sequence(der.octetString(randomBytes(octets))), der.sequence(), der.bitString(randomBytes(64)));
const [leaf, issuing, root] = [likeCertificate(500), likeCertificate(400), likeCertificate(401)];
const pem = encodeCertificate(leaf);
const chain = [leaf, issuing, root].map(encodeCertificate).join('');

describe('readCertificate', () => {
  it('reads what proxies and people pass on, the first of a chain', () => {
    const base64 = leaf.toString('base64');
    const forms = {
      PEM: pem,
      'PEM with carriage returns': pem.replaceAll('\n', '\r\n'),
      'PEM without its last line feed': pem.trimEnd(),
      'text before and after': `Certificate:\n  Issuer: CN=100%25 -----\n${pem}\nmore\n`,
      'the old label of OpenSSL': pem.replaceAll('CERTIFICATE', 'X509 CERTIFICATE'),
      'leaf and chain': chain,
      'NGINX $ssl_client_escaped_cert': encodeURIComponent(pem),
      'NGINX $ssl_client_escaped_cert and a chain': encodeURIComponent(chain),
      'NGINX $ssl_client_cert, a tab on each line': pem.replaceAll('\n', '\n\t'),
      'Apache, blanks for line feeds': pem.replaceAll('\n', ' '),
      'HAProxy, base64 of DER': base64,
      'base64 of DER in lines': base64.replace(/.{64}/g, '$&\n'),
      'AWS, + and / and = left alone': pem.replaceAll('\n', '%0A').replaceAll(' ', '%20'),
      'a form, blanks as plus': new URLSearchParams({ a: pem }).toString().slice(2),
      'Envoy, quoted': `Hash=00;Cert="${encodeURIComponent(pem)}";Subject="CN=50%";URI=`,
      'Envoy, with its chain': `By=urn:a;Cert="${encodeURIComponent(pem)}";Chain="${encodeURIComponent(chain)}"`,
      'RFC 9440': `:${base64}:`,
      'Traefik, leaf and chain': [leaf, issuing].map((each) => each.toString('base64')).join(','),
      'base64 of DER, percent-encoded': encodeURIComponent(base64),
    };
    for (const [what, form] of Object.entries(forms)) expect(readCertificate(form).equals(leaf), what).toBe(true);
  });

  it('says what is wrong with what it cannot read', () => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const keyPem = key.export({ type: 'sec1', format: 'pem' }).toString();
    const cases: [text: string, what: RegExp][] = [
      ['no certificate', /base64/],
      [' ', /empty/],
      ['%', /empty/],
      [pem.replace(/-----END[^]*/, ''), /"END CERTIFICATE" is missing/],
      [pem.replace('MII', '!II'), /base64 is damaged/],
      [encodeURIComponent(pem).slice(0, -40), /"END CERTIFICATE" is missing/],
      [encodePem('CERTIFICATE REQUEST', leaf), /holds CERTIFICATE REQUEST/],
      [pem + keyPem, /private key/],
      [encodeCertificate(Buffer.concat([leaf, Buffer.from([0])])), /not the DER of one certificate/],
      [encodeCertificate(der.sequence(der.nullValue())), /not the DER of one certificate/],
      [leaf.toString('hex'), /base64|DER/],
    ];
    for (const [text, what] of cases) {
      expect(() => readCertificate(text), text.slice(0, 40)).toThrow(PemError);
      expect(() => readCertificate(text)).toThrow(what);
    }
  });
});

describe('readPem', () => {
  it('reads what OpenSSL writes of several kinds, in order', () => {
    const text = execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey'], { encoding: 'utf8' });
    expect(readPem(`a\n${text}b`).map(({ label }) => label)).toEqual(['EC PARAMETERS', 'EC PRIVATE KEY']);
    expect(readPem('')).toEqual([]);
    expect(readPem(chain).map((block) => block.der)).toEqual([leaf, issuing, root]);
  });
});
