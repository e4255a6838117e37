import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../src/errors.js';
import { encodeCsr } from '../../../src/pki/csr-encode.js';
import { parseCsr } from '../../../src/pki/csr.js';
import * as der from '../../../src/pki/der.js';
import { extension } from '../../../src/pki/issuer.js';
import { oids } from '../../../src/pki/oid.js';
import { badCsrs } from '../../support/bad-csrs.js';
import { csrDer, csrPem, newKey, pem } from '../../support/csr.js';

const uri = 'urn:thingward:default:bad';

describe('parseCsr', () => {
  it('reads the key out of requests of each kind of key', () => {
    const keys = [
      ['ec-p256', newKey()],
      ['ec-p384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
      ['ed25519', generateKeyPairSync('ed25519').privateKey],
      ['rsa', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ] as const;
    for (const [family, key] of keys) expect(parseCsr(encodeCsr(key), uri).publicKey.family).toBe(family);
  });

  it('takes a request for just what devices get, and carriage returns in its armour', () => {
    const san = extension(oids.subjectAltName, der.sequence(der.encode(der.primitive(6), Buffer.from(uri))));
    const usage = extension(oids.keyUsage, der.namedBits(0), true);
    const text = csrPem({ extensions: [san, usage, extension(oids.basicConstraints, der.sequence(), true)] });
    expect(parseCsr(text.replaceAll('\n', '\r\n'), uri).publicKey.family).toBe('ec-p256');
  });

  it('refuses every bad one with bad-csr or bad-key', () => {
    for (const [what, text] of badCsrs()) {
      let caught: unknown;
      try {
        parseCsr(text, uri);
      } catch (error) {
        caught = error;
      }
      expect(caught, what).toBeInstanceOf(DomainError);
      expect(['bad-csr', 'bad-key'], what).toContain((caught as DomainError).code);
    }
  });

  it('accepts none of 20,000 requests with octets changed at random, and throws nothing else', () => {
    const good = csrDer();
    let accepted = 0;
    let seed = 1;
    const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
    for (let n = 0; n < 20_000; n++) {
      const bent = Buffer.from(good);
      for (let changes = 1 + random(3); changes > 0; changes--) bent[random(bent.length)]! ^= 1 + random(255);
      if (bent.equals(good)) continue;
      try {
        parseCsr(pem(bent), uri);
        accepted++;
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
      }
    }
    expect(accepted).toBe(0);
  });
});
