import { readFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createStage, type Stage } from '../../support/judges/consumers.js';
import { issuerOf } from '../../support/pki/crl.js';
import type { Device } from '../../support/fleet.js';
import { runProgram } from '../../support/pki/openssl.js';
import { describeWith } from '../../support/programs.js';
import { runThingward } from '../../support/shell.js';

describeWith(
  ['openssl', 'certtool', 'ocsptool', 'pki', 'lint_ocsp_response', 'lint_crl'],
  'programs that check revocation',
  () => {
    let stage: Stage;
    beforeAll(async () => void (stage = await createStage()));
    afterAll(() => stage.stop());

    it('openssl verify -crl_check_all goes by the bundle', () => {
      const { good, revoked, at } = stage;
      const verify = (device: Device) => [
        'verify',
        '-x509_strict',
        '-purpose',
        'sslclient',
        '-CAfile',
        at('root.pem'),
        '-untrusted',
        at('int.pem'),
        '-CRLfile',
        at('bundle.pem'),
        '-crl_check_all',
        at(`${device.name}.pem`),
      ];
      expect(runProgram('openssl', verify(good))).toContain('OK');
      expect(() => runProgram('openssl', verify(revoked))).toThrow('certificate revoked');
    });

    it('certtool goes by the list, and finds it current', async () => {
      const { good, revoked, at, file, text } = stage;
      const list = file('list.pem', await text(`/crl/${issuerOf(good)}.pem`));
      const verify = (device: Device) => [
        '--verify',
        '--load-ca-certificate',
        at('root.pem'),
        '--load-crl',
        list,
        '--infile',
        at(`${device.name}-chain.pem`),
      ];
      expect(runProgram('certtool', verify(good))).toContain('Verified');
      expect(() => runProgram('certtool', verify(revoked))).toThrow(/revoked/);
      expect(
        runProgram('certtool', ['--verify-crl', '--load-ca-certificate', at('int.pem'), '--infile', list]),
      ).toContain('Verified');
    });

    it('strongSwan pki --verify goes by the list', async () => {
      const { server, good, revoked, at, file } = stage;
      const list = file(
        'list.crl',
        Buffer.from(await (await fetch(`${server.url}/crl/${issuerOf(good)}.crl`)).arrayBuffer()),
      );
      const verify = (device: Device) => [
        '--verify',
        '--in',
        at(`${device.name}.pem`),
        '--cacert',
        at('int.pem'),
        '--cacert',
        at('root.pem'),
        '--crl',
        list,
      ];
      expect(runProgram('pki', verify(good))).toMatch(
        /trusted, lifetimes valid, certificate not revoked|certificate trusted/,
      );
      expect(() => runProgram('pki', verify(revoked))).toThrow(/revoked/);
    });

    it('openssl ocsp: POST, SHA-256, two at once, GET; ocsptool agrees', async () => {
      const { server, at, file } = stage;
      const ask = ['ocsp', '-issuer', at('int.pem'), '-CAfile', at('chain.pem')];
      const both = runProgram('openssl', [
        ...ask,
        '-sha256',
        '-cert',
        at('good.pem'),
        '-cert',
        at('revoked.pem'),
        '-url',
        `${server.url}/ocsp`,
      ]);
      expect(both).toMatch(/good\.pem: good[\s\S]*revoked\.pem: revoked[\s\S]*Reason: keyCompromise/);
      runProgram('openssl', [...ask, '-cert', at('revoked.pem'), '-no_nonce', '-reqout', at('request.der')]);
      const path = encodeURIComponent(readFileSync(at('request.der')).toString('base64'));
      const answer = await fetch(`${server.url}/ocsp/${path}`);
      expect(answer.headers.get('content-type')).toBe('application/ocsp-response');
      file('answer.der', new Uint8Array(await answer.arrayBuffer()));
      expect(
        runProgram('openssl', [...ask, '-cert', at('revoked.pem'), '-no_nonce', '-respin', at('answer.der')]),
      ).toContain('revoked');
      const tool = (name: string) =>
        runProgram('ocsptool', [
          `--ask=${server.url}/ocsp`,
          '--nonce',
          '--load-cert',
          at(`${name}.pem`),
          '--load-issuer',
          at('int.pem'),
          '--load-trust',
          at('chain.pem'),
        ]);
      expect(tool('good')).toMatch(/good|Success/i);
      expect(tool('revoked')).toMatch(/revoked/i);
    });

    it('pkilint finds nothing in answers and lists as they are served', async () => {
      const { server, at, file, text } = stage;
      const asked = runProgram('openssl', [
        'ocsp',
        '-issuer',
        at('int.pem'),
        '-cert',
        at('good.pem'),
        '-cert',
        at('revoked.pem'),
        '-url',
        `${server.url}/ocsp`,
        '-CAfile',
        at('chain.pem'),
        '-respout',
        at('both.der'),
      ]);
      expect(asked).toContain('good');
      const lists = [...(await text('/crl/bundle.pem')).matchAll(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g)].map(
        ([pem]) => pem,
      );
      expect(lists).toHaveLength(2);
      lists.forEach((pem, n) => file(`list-${n}.pem`, pem));
      for (const [program, input] of [
        ['lint_ocsp_response', 'both.der'],
        ['lint_crl', 'list-0.pem'],
        ['lint_crl', 'list-1.pem'],
      ] as const) {
        const more = program === 'lint_crl' ? ['-t', 'CRL', '-p', 'PKIX'] : [];
        const said = runProgram(program, ['lint', ...more, '-s', 'WARNING', at(input)]);
        expect(said.trim(), `${program} ${input}`).toBe('');
      }
    });

    it('the bundle holds a list of every CA and never a delta', async () => {
      const { server, good, text } = stage;
      const bundle = await text('/crl/bundle.pem');
      const lists = [...bundle.matchAll(/-----BEGIN[^-]+-----([^-]+)-----END[^-]+-----/g)].map(([, body]) =>
        Buffer.from(body!, 'base64'),
      );
      expect(lists).toHaveLength(2);
      expect((await fetch(`${server.url}/crl/${issuerOf(good)}/delta.crl`)).status).toBe(200);
      for (const list of lists) expect(list.includes(Buffer.from('0603551d1b', 'hex'))).toBe(false);
    });

    it('thingward revocation verify finds nothing here, and finds a server whose lists are another CA’s', async () => {
      const { server, good, startOwn } = stage;
      const sound = await runThingward(['revocation', 'verify', server.url, '--key', server.ownerKey]);
      expect(sound.output).toMatch(/^ok .*feed: [1-9]\d* revoked certificates, 0 of them in no list/m);
      expect(sound).toMatchObject({ code: 0, output: expect.stringMatching(/\d+ checks, 0 findings\n$/) });
      // Another CA's list under this one's name, and everything else as it is.
      const other = await startOwn();
      const otherChain = await (
        await fetch(`${other.url}/v1/issuers`, { headers: { authorization: `Bearer ${other.ownerKey}` } })
      ).json();
      const issuing = (otherChain as { items: { id: string; kind: string }[] }).items.find(
        ({ kind }) => kind === 'issuing',
      )!.id;
      const liar = createHttp((request, response) => {
        const isList = request.url === `/crl/${issuerOf(good)}.crl`;
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const target = isList ? `${other.url}/crl/${issuing}.crl` : `${server.url}${request.url}`;
          const headers = Object.fromEntries(
            ['authorization', 'content-type'].flatMap((name) =>
              request.headers[name] ? [[name, request.headers[name] as string]] : [],
            ),
          );
          void fetch(target, {
            method: request.method!,
            headers,
            ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
          }).then(async (answer) => {
            response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
            response.end(Buffer.from(await answer.arrayBuffer()));
          });
        });
      });
      await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
      const url = `http://127.0.0.1:${(liar.address() as { port: number }).port}`;
      const lying = await runThingward(['revocation', 'verify', url, '--key', server.ownerKey]);
      liar.close();
      liar.closeAllConnections();
      await other.kill();
      expect(lying.code).toBe(1);
      expect(lying.output).toMatch(/^BAD .*list of [0-9a-f]{16}: signed by the CA/m);
      expect(lying.output).toMatch(/^BAD .*in no list/m);
    });
  },
);
