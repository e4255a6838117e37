import type { KeyObject } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reasonCodes, type RevocationReason } from '../../../src/pki/crl.js';
import { publicKeyOf, type KeyType } from '../../../src/pki/public-key.js';
import { encodePem } from '../../../src/pki/pem.js';
import { issueResponder } from '../../../src/pki/ocsp.js';
import { createSigner, generateKeys } from '../../../src/pki/signer.js';
import { issueCrl, createAuthority, testUrls } from '../../support/pki/authority.js';
import { describeWith } from '../../support/programs.js';
import { seeded } from '../../support/seeded.js';
import { runProgram } from '../../support/pki/openssl.js';

const certificates = 1000;
const lists = 100;
const keyTypes: KeyType[] = ['ec-p256', 'ec-p384', 'ed25519', 'rsa-2048', 'rsa-3072'];
const hour = 3_600_000;
// RFC 5280 gives a common name 64 characters; longer thing names are a limit that the README states.
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_-';
const random = seeded('linters');
const { pick } = random;
const randomText = (length: number, letters = alphabet) => Array.from({ length }, () => pick([...letters])).join('');

// Lints of the RFCs; the others are rules for certificates of web sites.
const zlintSources = 'RFC3279,RFC5280,RFC5480,RFC5891,RFC6962,RFC8813,Community';

describeWith(
  ['lint_pkix_cert', 'zlint', 'python3'],
  `${certificates} certificates of random profiles before the linters`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'thingward-lint-'));
    const start = Math.floor(Date.now() / 1000) * 1000;

    beforeAll(async () => {
      const keys: KeyObject[] = [];
      for (const type of keyTypes) for (let n = 0; n < 4; n++) keys.push((await generateKeys(type)).publicKey);
      const authorities = [];
      for (const type of keyTypes) {
        for (let n = 0; n < 3; n++) {
          const account = randomText(random.between(1, 62), 'abcdefghijklmnopqrstuvwxyz0123456789');
          // Every other one has a delta list, and its certificates and lists say where.
          const delta: string | undefined =
            authorities.length % 2 === 0 ? 'http://127.0.0.1:8080/crl/test/delta.crl' : undefined;
          const since = new Date(start - 400 * 24 * hour);
          const authority = await createAuthority(account, type, since, { ...testUrls, delta });
          authorities.push({ account, delta, ...authority });
        }
      }
      for (const [n, { root, issuing }] of authorities.entries()) {
        writeFileSync(join(folder, `root-${n}.der`), root.certificateDer);
        writeFileSync(join(folder, `issuing-${n}.der`), issuing.certificateDer);
      }
      for (let n = 0; n < certificates; n++) {
        const { account, issue } = pick(authorities);
        const publicKey = publicKeyOf(pick(keys));
        const notBefore = new Date(start - random.below(24) * hour);
        const validity = { notBefore, notAfter: new Date(notBefore.getTime() + random.between(1, 2000 * 24) * hour) };
        const { der } = issue({
          account,
          thingName: randomText(random.between(1, 65)),
          publicKey,
          validity,
          index: BigInt(random.below(2 ** 40)),
        });
        writeFileSync(join(folder, `device-${n}.der`), der);
      }
      for (let n = 0; n < lists; n++) {
        const { issuing, delta } = pick(authorities);
        const entries = Array.from({ length: random.below(6) }, () => ({
          serialNumber: `${random.between(0x10, 0x7f).toString(16)}${randomText(38, '0123456789abcdef')}`,
          revokedAt: new Date(start - random.below(100) * hour),
          reason: pick(Object.keys(reasonCodes) as RevocationReason[]),
        }));
        const window = { thisUpdate: new Date(start), nextUpdate: new Date(start + 7 * 24 * hour) };
        const list = issueCrl(issuing, { number: BigInt(n + 1), ...window, delta, entries });
        writeFileSync(join(folder, `list-${n}.crl`), list);
        writeFileSync(join(folder, `list-${n}.pem`), encodePem('X509 CRL', list));
      }
      for (const [n, { issuing }] of authorities.entries()) {
        const validity = { notBefore: new Date(start - hour), notAfter: new Date(start + 30 * 24 * hour) };
        const signer = createSigner((await generateKeys('ec-p256')).privateKey);
        writeFileSync(join(folder, `responder-${n}.der`), issueResponder(issuing, validity, signer).certificateDer);
      }
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it('pkilint finds nothing, in the lists neither', { timeout: 600_000 }, () => {
      const said = runProgram('python3', [resolve('test/support/judges/lint_certificates.py'), folder]);
      console.log(said.trim().split('\n').at(-1));
      expect(said).toContain('findings=0');
    });

    it('zlint finds no error and no warning', { timeout: 600_000 }, () => {
      const files = readdirSync(folder).filter((name) => name.endsWith('.der'));
      const found: Record<string, number> = {};
      const note = (lint: string, result: string) => {
        if (['warn', 'error', 'fatal'].includes(result))
          found[`${result} ${lint}`] = (found[`${result} ${lint}`] ?? 0) + 1;
      };
      const pems = readdirSync(folder).filter((name) => name.endsWith('.pem'));
      const batches = [
        ...Array.from({ length: Math.ceil(files.length / 100) }, (_, n) => [
          '-format',
          'der',
          ...files.slice(n * 100, n * 100 + 100),
        ]),
        ...Array.from({ length: Math.ceil(pems.length / 100) }, (_, n) => pems.slice(n * 100, n * 100 + 100)),
      ];
      for (const batch of batches) {
        const out = runProgram('zlint', ['-includeSources', zlintSources, ...batch], folder);
        const reports = out.split('\n').filter((line) => line.startsWith('{'));
        for (const report of reports) {
          for (const [lint, { result }] of Object.entries(JSON.parse(report) as Record<string, { result: string }>))
            note(lint, result);
        }
      }
      console.log(
        `zlint looked at certificates=${files.length} lists=${pems.length} findings=${JSON.stringify(found)}`,
      );
      expect(found).toEqual({});
    });
  },
);
