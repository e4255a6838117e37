import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { parseOcspRequest } from '../../../src/pki/ocsp.js';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

// Not execFileSync: the server answers from this very process.
function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve) => execFile(program, args, (_error, stdout, stderr) => resolve(`${stderr}${stdout}`)));
}

describeWith(['openssl', 'ocsptool'], 'OCSP', () => {
  for (const kind of databaseKinds) {
    const folder = mkdtempSync(join(tmpdir(), 'thingward-ocsp-'));
    const at = (name: string) => join(folder, name);
    let server: TestServer;
    let devices: Device[];

    beforeAll(async () => {
      server = await startServer(kind);
      const { token } = await enroll(server);
      devices = [];
      for (const name of ['good', 'bad', 'held', 'strange']) {
        const device = await provision(server, token, name);
        writeFileSync(at(`${name}.pem`), device.answer.body.certificate.pem as string);
        devices.push(device);
      }
      const [issuing, root] = (await server.as(undefined).get('/ca/chain.pem')).text.split(
        /(?<=-----END CERTIFICATE-----\n)/,
      );
      writeFileSync(at('issuing.pem'), issuing!);
      writeFileSync(at('root.pem'), root!);
      writeFileSync(at('chain.pem'), issuing! + root!);
      const revoke = (device: Device, reason: string) =>
        server.owner.post(`/v1/certificates/${device.answer.body.certificate.serialNumber}/revoke`, { reason });
      await revoke(devices[1]!, 'keyCompromise');
      await revoke(devices[2]!, 'certificateHold');
    });
    afterAll(async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const openssl = (certificates: string[], ...options: string[]) =>
      run('openssl', [
        ...['ocsp', '-issuer', at('issuing.pem'), '-CAfile', at('chain.pem'), '-url', `${server.url}/ocsp`, ...options],
        ...certificates.flatMap((name) => ['-cert', at(`${name}.pem`)]),
      ]);

    it(`${kind}: openssl verifies answers by SHA-1 and SHA-256, with and without a nonce, for two certificates at once`, async () => {
      for (const options of [[], ['-sha256'], ['-no_nonce'], ['-sha256', '-no_nonce']]) {
        const output = await openssl(['good', 'bad', 'held'], ...options);
        expect(output, options.join(' ')).toContain('Response verify OK');
        expect(output).not.toMatch(/WARNING|rror/);
        expect(output).toMatch(/good\.pem: good/);
        expect(output).toMatch(/bad\.pem: revoked[\s\S]*Reason: keyCompromise/);
        expect(output).toMatch(/held\.pem: revoked[\s\S]*Reason: certificateHold/);
      }
    });

    it(`${kind}: GET, by every way of writing its path`, async () => {
      await openssl(['bad'], '-no_nonce', '-reqout', at('request.der'));
      const { readFileSync } = await import('node:fs');
      const base64 = readFileSync(at('request.der')).toString('base64');
      const bodies = await Promise.all(
        [`/ocsp/${encodeURIComponent(base64)}`, `/ocsp/${base64}`, `/ocsp//${encodeURIComponent(base64)}`].map(
          async (path) => {
            const response = await fetch(`${server.url}${path}`);
            expect([response.status, response.headers.get('content-type')], path).toEqual([
              200,
              'application/ocsp-response',
            ]);
            expect(response.headers.get('cache-control')).toBe('max-age=0, public, no-transform, must-revalidate');
            expect(Date.parse(response.headers.get('expires')!)).toBeGreaterThan(server.now().getTime());
            return Buffer.from(await response.arrayBuffer());
          },
        ),
      );
      for (const body of bodies) {
        writeFileSync(at('response.der'), body);
        const output = await run('openssl', [
          'ocsp',
          '-respin',
          at('response.der'),
          '-issuer',
          at('issuing.pem'),
          '-CAfile',
          at('chain.pem'),
          '-cert',
          at('bad.pem'),
        ]);
        expect(output).toMatch(/Response verify OK[\s\S]*revoked/);
      }
    });

    it(`${kind}: GnuTLS agrees`, async () => {
      const ask = (name: string) =>
        run('ocsptool', [
          `--ask=${server.url}/ocsp`,
          '--load-issuer',
          at('issuing.pem'),
          '--load-cert',
          at(`${name}.pem`),
          '--load-trust',
          at('chain.pem'),
        ]);
      for (const [name, status] of [
        ['good', 'good'],
        ['bad', 'revoked'],
      ] as const) {
        const output = await ask(name);
        expect(output).toContain('Verifying OCSP Response: Success');
        expect(output).toContain(`Certificate Status: ${status}`);
      }
    });

    it(`${kind}: the issuing CA is answered for by the root; what was never issued is unknown, never good`, async () => {
      const ca = await run('openssl', [
        'ocsp',
        '-issuer',
        at('root.pem'),
        '-CAfile',
        at('root.pem'),
        '-url',
        `${server.url}/ocsp`,
        '-cert',
        at('issuing.pem'),
      ]);
      expect(ca).toMatch(/Response verify OK[\s\S]*issuing\.pem: good/);
      const never = await run('openssl', [
        ...['ocsp', '-issuer', at('issuing.pem'), '-CAfile', at('chain.pem'), '-url', `${server.url}/ocsp`],
        ...Array.from({ length: 20 }, (_, n) => [
          '-serial',
          `0x0${n % 8}${'3a'.repeat(18)}${(16 + n).toString(16)}`,
        ]).flat(),
      ]);
      expect(never).toContain('Response verify OK');
      expect(never.match(/: unknown/g)).toHaveLength(20);
      const foreign = await server
        .as((await server.owner.post('/v1/accounts', { name: 'acme' })).body.ownerKey)
        .get('/v1/things');
      expect(foreign.status).toBe(200);
    });

    it(`${kind}: garbage is answered malformedRequest, another's issuer unauthorized, and neither is signed`, async () => {
      const post = async (body: Uint8Array) => {
        const response = await fetch(`${server.url}/ocsp`, {
          method: 'POST',
          headers: { 'content-type': 'application/ocsp-request' },
          body: body as never,
        });
        expect(response.status).toBe(200);
        return Buffer.from(await response.arrayBuffer()).toString('hex');
      };
      expect(await post(Buffer.from('garbage'))).toBe('30030a0101');
      expect(await post(Buffer.alloc(0))).toBe('30030a0101');
      const { readFileSync } = await import('node:fs');
      const request = readFileSync(at('request.der'));
      for (let index = 0; index < request.length; index++) {
        for (const bit of [1, 0x80]) {
          const bent = Buffer.from(request);
          bent[index] = bent[index]! ^ bit;
          // A bent serial number is unknown, a bent hash is another's; nothing is ever good.
          const answer = await post(bent);
          const certId = parseOcspRequest(bent)?.certIds[0]?.bytes.toString('hex');
          const at = certId === undefined ? -1 : answer.indexOf(certId);
          if (at >= 0) expect(answer.slice(at + certId!.length).slice(0, 2)).not.toBe('80');
          else expect(answer).toMatch(/^30030a010[16]$/);
        }
      }
      const self = await run('openssl', [
        'ocsp',
        '-issuer',
        at('good.pem'),
        '-cert',
        at('bad.pem'),
        '-url',
        `${server.url}/ocsp`,
        '-noverify',
      ]);
      expect(self).toContain('unauthorized (6)');
    });

    it(`${kind}: a release is good at once; responders are renewed long before they expire`, async () => {
      await server.owner.post(`/v1/certificates/${devices[2]!.answer.body.certificate.serialNumber}/release`);
      expect(await openssl(['held'])).toMatch(/held\.pem: good/);
    });
  }
});
