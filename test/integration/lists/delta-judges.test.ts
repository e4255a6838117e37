import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createStage, type Stage } from '../../support/judges/consumers.js';
import { issuerOf, serialOf } from '../../support/pki/crl.js';
import type { Device } from '../../support/fleet.js';
import { buildJudges, bouncyCastle, outputOf, type Verdict } from '../../support/judges/judges.js';
import { describeWith } from '../../support/programs.js';

const freshestCrl = Buffer.from('0603551d2e', 'hex');
const deltaIndicator = Buffer.from('0603551d1b', 'hex');

const dersIn = (pem: string): Buffer[] =>
  [...pem.matchAll(/-----BEGIN[^-]+-----([^-]+)-----END[^-]+-----/g)].map(([, body]) => Buffer.from(body!, 'base64'));

const needed = ['openssl', 'java', 'javac', ...bouncyCastle, 'python3:pyhanko_certvalidator'];

describeWith(needed, 'readers that know delta lists', () => {
  let stage: Stage;
  let judges: Awaited<ReturnType<typeof buildJudges>>;
  beforeAll(async () => {
    [stage, judges] = [await createStage(), await buildJudges()];
    await judges.buildJava();
  });
  afterAll(async () => {
    judges.remove();
    await stage.stop();
  });

  async function opensslOf(names: string[]): Promise<Verdict[]> {
    const { at } = stage;
    const trust = ['-CAfile', at('root.pem'), '-untrusted', at('int.pem'), '-CRLfile', at('both.pem')];
    const verdicts: Verdict[] = [];
    for (const device of names) {
      const flags = ['-crl_check', '-extended_crl', '-use_deltas', at(`${device}.pem`)];
      const text = await outputOf('openssl', ['verify', ...trust, ...flags]);
      const said = text.includes(': OK') ? 'good' : text.includes('certificate revoked') ? 'revoked' : text;
      verdicts.push({ judge: 'openssl verify -use_deltas', device, said });
    }
    return verdicts;
  }

  // A delta counts only beside a list of the same scope: it must name the distribution point where its list does.
  it.each([false, true])('see what is in the delta alone, with a distribution point in the list: %s', async (named) => {
    const { server, good, at, file, text, revoke, addDevice } = stage;
    const issuer = issuerOf(good);
    const configure = (settings: object) => server.owner.send('PATCH', `/v1/issuers/${issuer}`, settings);
    await configure({ deltaList: false, distributionPoint: named });
    const devices: Record<string, Device> = {};
    const add = async (name: string) => (devices[name] = await addDevice(`${name}-${named}`));
    // Issued before there was a delta: its list says where it is, and the certificate does not.
    await add('old');
    await configure({ deltaList: true });
    for (const name of ['early', 'held', 'late', 'stays']) await add(name);
    const { old, early, held, late, stays } = devices as Record<'old' | 'early' | 'held' | 'late' | 'stays', Device>;

    await revoke(early);
    await revoke(held, 'certificateHold');
    file('base.pem', await text('/crl/bundle.pem'));
    await text(`/crl/${issuer}/delta.pem`);
    await revoke(old);
    await revoke(late);
    await server.owner.post(`/v1/certificates/${serialOf(held)}/release`);
    file('delta.pem', await text(`/crl/${issuer}/delta.pem`));
    const [base, delta] = [readFileSync(at('base.pem'), 'utf8'), readFileSync(at('delta.pem'), 'utf8')];
    file('both.pem', base + delta);

    const saysWhere = (pem: string) => dersIn(pem).map((der) => der.includes(freshestCrl));
    const certificate = ({ name }: Device) => readFileSync(at(`${name}.pem`), 'utf8');
    expect([old, late].map(certificate).flatMap(saysWhere)).toEqual([false, true]);
    expect([await text(`/crl/${issuer}.pem`), delta].flatMap(saysWhere)).toEqual([true, false]);
    expect(dersIn(delta)[0]!.includes(deltaIndicator)).toBe(true);
    for (const der of dersIn(await text('/crl/bundle.pem'))) expect(der.includes(deltaIndicator)).toBe(false);

    const revoked = new Set([old, early, late]);
    const expected = [old, early, held, late, stays].map((device) => [
      device.name,
      revoked.has(device) ? 'revoked' : 'good',
    ]);
    const names = expected.map(([name]) => name!);
    const judged = [
      ...(await opensslOf(names)),
      ...(await judges.pyHanko([at(''), 'base.pem', 'delta.pem', ...names])),
      ...(await judges.java([at(''), 'base.pem', 'delta.pem', '-', ...names])),
    ];
    for (const judge of ['openssl verify -use_deltas', 'pyHanko', 'BouncyCastle, list and delta']) {
      const said = judged.filter((each) => each.judge === judge).map((each) => [each.device, each.said]);
      expect(said, judge).toEqual(expected);
    }
  });
});
