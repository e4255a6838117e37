import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/logging.js';
import { createSealer } from '../../src/sealing.js';

describe('createLogger', () => {
  it('scrubs credentials, tokens and private keys wherever they stand in a line', () => {
    const lines: string[] = [];
    const logger = createLogger('info', { write: (line) => void lines.push(line) });
    const secrets = [
      `twk_${'a'.repeat(43)}`,
      `twe_${'b'.repeat(43)}`,
      'twr_00000000-0000-4000-8000-000000000000.1.cccccccccccccccccccc',
      'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl',
    ];
    logger.error({ err: new Error(`failed with ${secrets[0]}`), deep: { list: secrets } }, `said ${secrets.join(' ')}`);
    logger.info('-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----');
    for (const secret of [...secrets, 'MIGHAgEAMBMGByqGSM49']) expect(lines.join('')).not.toContain(secret);
  });
});

describe('createSealer', () => {
  const sealer = createSealer(Buffer.alloc(32, 1));
  const sealed = sealer.seal(Buffer.from('secret'), 'issuer:1');

  it('opens what it sealed, under the same context', () => {
    expect(sealer.open(sealed, 'issuer:1').toString()).toBe('secret');
    expect(sealer.seal(Buffer.from('secret'), 'issuer:1').equals(sealed)).toBe(false);
  });

  it('opens nothing under another context or key, nor with any bit changed', () => {
    expect(() => sealer.open(sealed, 'issuer:2')).toThrow();
    expect(() => createSealer(Buffer.alloc(32, 2)).open(sealed, 'issuer:1')).toThrow();
    for (let at = 0; at < sealed.length; at++) {
      const bent = Buffer.from(sealed);
      bent[at]! ^= 1;
      expect(() => sealer.open(bent, 'issuer:1')).toThrow();
    }
  });
});
