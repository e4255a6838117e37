import { afterAll, beforeAll, expect, it } from 'vitest';
import { createStage, type Stage } from '../../support/judges/consumers.js';
import { issuerOf } from '../../support/pki/crl.js';
import type { Device } from '../../support/fleet.js';
import { bouncyCastle, buildJudges, outputOf, wrongClock, type Verdict } from '../../support/judges/judges.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { documentedServers, gnutlsServer } from '../../support/pki/tls-forms.js';

const minutes = [-55, 0, 55];
const reasons = [
  ...['unspecified', 'keyCompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation'],
  ...['certificateHold', 'privilegeWithdrawn'],
];
const programs = [
  ...['openssl', 'nginx', 'haproxy', 'mosquitto', 'certtool', 'ocsptool', 'gnutls-serv', 'pki'],
  ...['java', 'javac', 'go', 'faketime', ...bouncyCastle],
];

describeWith(programs, 'readers whose clocks are wrong', () => {
  let stage: Stage;
  let judges: Awaited<ReturnType<typeof buildJudges>>;
  let devices: Device[];
  let names: string[];
  const table = new Map<string, string[]>();

  beforeAll(async () => {
    [stage, judges] = [await createStage(), await buildJudges()];
    await Promise.all([judges.buildJava(), judges.buildGo()]);
    const { server, good, text, file, revoke, addDevice } = stage;
    await server.owner.send('PATCH', `/v1/issuers/${issuerOf(good)}`, { listSuperseded: true });
    devices = [good];
    for (const reason of reasons) {
      const device = await addDevice(`revoked-${reason}`);
      await revoke(device, reason);
      devices.push(device);
    }
    // The last of them was revoked only now, and is in lists and answers of the same second.
    file('bundle.pem', await text('/crl/bundle.pem'));
    file('list.pem', await text(`/crl/${issuerOf(good)}.pem`));
    const list = await fetch(`${server.url}/crl/${issuerOf(good)}.crl`);
    file('list.crl', new Uint8Array(await list.arrayBuffer()));
    names = devices.map(({ name }) => name);
  });
  afterAll(async () => {
    for (const [judge, cells] of table) console.log(`${judge.padEnd(36)} ${cells.join('  ')}`);
    judges.remove();
    await stage.stop();
  });

  /** Every judge must take the good device and no revoked one, in this cell and for the right reason. */
  function expectRight(cell: number, verdicts: Verdict[]): void {
    for (const judge of new Set(verdicts.map((each) => each.judge))) {
      const said = verdicts.filter((each) => each.judge === judge).map((each) => [each.device, each.said]);
      const right = names.map((name) => [name, name === 'good' ? 'good' : 'revoked']);
      const cells = table.get(judge) ?? [];
      const isRight = JSON.stringify(said) === JSON.stringify(right);
      table.set(judge, [...cells, `${cell} min: ${isRight ? `1 good, ${names.length - 1} revoked` : 'WRONG'}`]);
      expect(said, `${judge} at ${cell} min`).toEqual(right);
    }
  }

  const wordOf = (text: string, good: RegExp, revoked: RegExp): string =>
    revoked.test(text) ? 'revoked' : good.test(text) ? 'good' : text.trim();

  it.each(minutes)('commands: openssl, certtool, pki, ocsptool at %i min', async (cell) => {
    const { at, server } = stage;
    const env = wrongClock(cell * 60);
    const time = String(Math.floor(Date.now() / 1000) + cell * 60);
    const trust = ['-CAfile', at('root.pem'), '-untrusted', at('int.pem'), '-CRLfile', at('bundle.pem')];
    const verdicts: Verdict[] = [];
    const judge = async (name: string, program: string, args: string[], clock: object, good: RegExp, bad: RegExp) => {
      for (const device of names) {
        const text = await outputOf(
          program,
          args.map((each) => each.replace('DEVICE', at(device))),
          { ...clock },
        );
        verdicts.push({ judge: name, device, said: wordOf(text, good, bad) });
      }
    };
    const opensslWords = [/: OK/, /certificate revoked/] as const;
    const verify = ['verify', '-crl_check_all', ...trust];
    await judge('openssl verify -attime', 'openssl', [...verify, '-attime', time, 'DEVICE.pem'], {}, ...opensslWords);
    await judge('openssl verify', 'openssl', [...verify, 'DEVICE.pem'], env, ...opensslWords);
    const certtool = ['--verify', '--load-ca-certificate', at('root.pem'), '--load-crl', at('bundle.pem')];
    await judge('certtool', 'certtool', [...certtool, '--infile', 'DEVICE-chain.pem'], env, /Verified/, /revoked/);
    const pki = ['--verify', '--in', 'DEVICE.pem', '--cacert', at('int.pem'), '--cacert', at('root.pem')];
    const pkiGood = /certificate trusted|not revoked/;
    await judge('strongSwan pki', 'pki', [...pki, '--crl', at('list.crl')], env, pkiGood, /certificate was revoked/);
    const ask = [`--ask=${server.url}/ocsp`, '--load-issuer', at('int.pem'), '--load-trust', at('chain.pem')];
    const ocspGood = /Success[\s\S]*Certificate Status: good/;
    const ocspBad = /Success[\s\S]*Certificate Status: revoked/;
    await judge('ocsptool', 'ocsptool', [...ask, '--load-cert', 'DEVICE.pem'], env, ocspGood, ocspBad);
    const ocsp = ['ocsp', '-issuer', at('int.pem'), '-CAfile', at('chain.pem'), '-url', `${server.url}/ocsp`];
    for (const digest of ['-sha1', '-sha256', '-sha384', '-sha512']) {
      const text = await outputOf(
        'openssl',
        [...ocsp, digest, ...names.flatMap((each) => ['-cert', at(`${each}.pem`)])],
        env,
      );
      for (const device of names) {
        const line = new RegExp(`${device}\\.pem: (\\w+)`).exec(text);
        const isSound = text.includes('Response verify OK') && !/WARNING|rror/.test(text);
        verdicts.push({ judge: `openssl ocsp ${digest}`, device, said: isSound && line ? line[1]! : text });
      }
    }
    expectRight(cell, verdicts);
  });

  it.each(minutes)('libraries: Java, BouncyCastle, Go at %i min', async (cell) => {
    const { at, server } = stage;
    const ocsp = `${server.url}/ocsp`;
    expectRight(cell, await judges.java([at(''), 'bundle.pem', '-', ocsp, ...names], wrongClock(cell * 60)));
    expectRight(cell, await judges.go([at(''), 'bundle.pem', ocsp, String(cell * 60), ...names]));
  });

  it.each(minutes)('TLS servers: NGINX, HAProxy, Mosquitto, GnuTLS, Node at %i min', async (cell) => {
    const verdicts: Verdict[] = [];
    for (const { judge, start, request } of [...Object.values(documentedServers(stage)), gnutlsServer(stage)]) {
      const port = await freePort();
      const child = await start(port, wrongClock(cell * 60));
      for (const device of devices) {
        const isIn = await stage.admits(port, device, request);
        verdicts.push({ judge, device: device.name, said: isIn ? 'good' : 'revoked' });
      }
      child.kill('SIGKILL');
    }
    expectRight(cell, verdicts);
  });
});
