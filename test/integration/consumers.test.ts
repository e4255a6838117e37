import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient, type Client } from '../support/client.js';
import { issuerOf, serialOf } from '../support/crl.js';
import { freshDatabase, type TestDatabase } from '../support/databases.js';
import { runThingward } from '../support/shell.js';
import { enroll, pemOf, provision, type Device } from '../support/fleet.js';
import { runProgram } from '../support/openssl.js';
import { freePort } from '../support/ports.js';
import { describeWith } from '../support/programs.js';
import { startProgram, type Program } from '../support/program.js';

const mqttConnect = Buffer.from('101000044d515454040200 3c0004 74657374'.replaceAll(' ', ''), 'hex');
const httpGet = Buffer.from('GET / HTTP/1.0\r\n\r\n');

describeWith(
  ['openssl', 'certtool', 'ocsptool', 'pki', 'nginx', 'haproxy', 'mosquitto', 'lint_ocsp_response', 'lint_crl'],
  'programs that check revocation',
  () => {
    let server: Program & { ownerKey: string; owner: Client; as(token: string | undefined): Client };
    let good: Device;
    let revoked: Device;
    let late: Device;
    const folder = mkdtempSync(join(tmpdir(), 'thingward-consumers-'));
    const running: ChildProcess[] = [];
    const databases: TestDatabase[] = [];

    /** A server of its own process: those who judge it are waited for here. */
    async function startOwn() {
      const database = await freshDatabase('embedded');
      databases.push(database);
      const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
      const program = await startProgram({ ...database.settings, THINGWARD_OWNER_KEY: ownerKey });
      const as = (token: string | undefined) => createClient(program.url, token);
      return { ...program, ownerKey, as, owner: as(ownerKey) };
    }

    const at = (name: string) => join(folder, name);
    const file = (name: string, content: string | Uint8Array): string => {
      writeFileSync(at(name), content);
      return at(name);
    };
    const text = async (path: string) => (await fetch(`${server.url}${path}`)).text();
    const revoke = async (device: Device, reason = 'keyCompromise') => {
      const answer = await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason });
      expect(answer.status, answer.text).toBe(200);
    };
    const fetchBundle = async () => file('bundle.pem', await text('/crl/bundle.pem'));

    beforeAll(async () => {
      server = await startOwn();
      const { token } = await enroll(server);
      [good, revoked, late] = [
        await provision(server, token, 'good'),
        await provision(server, token, 'revoked'),
        await provision(server, token, 'late'),
      ];
      await server.owner.send('PATCH', `/v1/issuers/${issuerOf(good)}`, { deltaList: true });
      await fetch(`${server.url}/crl/${issuerOf(good)}/delta.crl`);
      await revoke(revoked);
      const chain = await text('/ca/chain.pem');
      file('chain.pem', chain);
      const [issuing, root] = chain.split(/(?<=-----END CERTIFICATE-----\n)/) as [string, string];
      file('int.pem', issuing);
      file('root.pem', root);
      for (const device of [good, revoked, late]) {
        file(`${device.name}.pem`, pemOf(device));
        file(`${device.name}-chain.pem`, pemOf(device) + issuing);
        file(`${device.name}.key`, device.key.export({ type: 'pkcs8', format: 'pem' }));
      }
      // The servers' own certificate has nothing to do with ours.
      runProgram('openssl', [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        '/CN=edge',
        '-days',
        '2',
        '-keyout',
        at('server.key'),
        '-out',
        at('server.pem'),
      ]);
      file('server-both.pem', runProgram('cat', [at('server.pem'), at('server.key')]));
      await fetchBundle();
    });
    afterAll(async () => {
      for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
      await server.kill();
      for (const { remove } of databases) remove();
      rmSync(folder, { recursive: true, force: true });
    });

    /** Starts a TLS server and waits until it takes connections. */
    async function start(program: string, args: string[], port: number): Promise<ChildProcess> {
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      running.push(child);
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
      for (let tries = 0; tries < 200; tries++) {
        const socket = connectTcp(port, '127.0.0.1');
        const isOpen = await Promise.race([
          once(socket, 'connect').then(() => true),
          once(socket, 'error').then(() => false),
        ]).catch(() => false);
        socket.destroy();
        if (isOpen) return child;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`${program} does not listen: ${output}`);
    }

    /** Whether a server lets a device in: it answers 200, or its broker accepts. */
    function admits(port: number, { name }: Device, request: Buffer = httpGet): Promise<boolean> {
      return new Promise((resolve) => {
        const pem = runProgram('cat', [at(`${name}-chain.pem`)]);
        const key = runProgram('cat', [at(`${name}.key`)]);
        const socket = connect({ host: '127.0.0.1', port, cert: pem, key, rejectUnauthorized: false });
        let answer = Buffer.alloc(0);
        const end = () => {
          socket.destroy();
          resolve(
            /^HTTP\/1\.[01] 200/.test(answer.toString('latin1')) ||
              answer.subarray(0, 4).equals(Buffer.from([0x20, 2, 0, 0])),
          );
        };
        socket.on('secureConnect', () => socket.write(request));
        socket.on('data', (chunk: Buffer) => {
          answer = Buffer.concat([answer, chunk]);
          if (answer.length >= 4) end();
        });
        socket.on('error', end);
        socket.on('close', end);
        setTimeout(end, 5000).unref();
      });
    }

    const verdicts = async (port: number, request?: Buffer) => [
      await admits(port, good, request),
      await admits(port, revoked, request),
    ];

    it('openssl verify -crl_check_all goes by the bundle', () => {
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
      const { readFileSync } = await import('node:fs');
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

    it('NGINX with ssl_crl admits the good device and no revoked one', async () => {
      const port = await freePort();
      await startNginx(port, `ssl_crl ${at('bundle.pem')};`);
      expect(await verdicts(port)).toEqual([true, false]);
    });

    it('NGINX with ssl_ocsp admits the good device and no revoked one, and goes by what is revoked from then on', async () => {
      const port = await freePort();
      await startNginx(port, `ssl_ocsp on; ssl_ocsp_responder ${server.url}/ocsp;`);
      expect(await verdicts(port)).toEqual([true, false]);
      expect(await admits(port, late)).toBe(true);
      await revoke(late, 'certificateHold');
      expect(await admits(port, late)).toBe(false);
      await server.owner.post(`/v1/certificates/${serialOf(late)}/release`);
      expect(await admits(port, late)).toBe(true);
    });

    it('HAProxy with crl-file admits the good device and no revoked one', async () => {
      const port = await freePort();
      file(
        'haproxy.cfg',
        `defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend f\n bind 127.0.0.1:${port} ssl crt ${at('server-both.pem')} ca-file ${at('chain.pem')} verify required crl-file ${at('bundle.pem')}\n http-request return status 200 content-type text/plain string ok\n`,
      );
      await start('haproxy', ['-db', '-f', at('haproxy.cfg')], port);
      expect(await verdicts(port)).toEqual([true, false]);
    });

    it('Mosquitto with crlfile admits the good device and no revoked one, and after SIGHUP none revoked since', async () => {
      const port = await freePort();
      await server.owner.post(`/v1/certificates/${serialOf(late)}/release`);
      await fetchBundle();
      file(
        'mosquitto.conf',
        `user root\nlistener ${port} 127.0.0.1\nallow_anonymous true\ncafile ${at('chain.pem')}\ncertfile ${at('server.pem')}\nkeyfile ${at('server.key')}\nrequire_certificate true\ncrlfile ${at('bundle.pem')}\n`,
      );
      const broker = await start('mosquitto', ['-c', at('mosquitto.conf')], port);
      expect(await verdicts(port, mqttConnect)).toEqual([true, false]);
      expect(await admits(port, late, mqttConnect)).toBe(true);
      await revoke(late, 'privilegeWithdrawn');
      await fetchBundle();
      broker.kill('SIGHUP');
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect([await admits(port, late, mqttConnect), await admits(port, good, mqttConnect)]).toEqual([false, true]);
    });

    it("Node's tls with crl admits the good device and no revoked one", async () => {
      const crl = [...(await text('/crl/bundle.pem')).matchAll(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g)].map(
        ([pem]) => pem,
      );
      const ca = runProgram('cat', [at('chain.pem')])
        .split(/(?<=-----END CERTIFICATE-----\n)/)
        .filter(Boolean);
      const tls = createServer(
        {
          cert: runProgram('cat', [at('server.pem')]),
          key: runProgram('cat', [at('server.key')]),
          ca,
          crl,
          requestCert: true,
          rejectUnauthorized: true,
        },
        (socket) => {
          socket.on('error', () => {});
          socket.on('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\n'));
        },
      );
      tls.on('tlsClientError', () => {});
      await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
      expect(await verdicts((tls.address() as { port: number }).port)).toEqual([true, false]);
      tls.close();
    });

    it('the bundle holds a list of every CA and never a delta', async () => {
      const bundle = await text('/crl/bundle.pem');
      const lists = [...bundle.matchAll(/-----BEGIN[^-]+-----([^-]+)-----END[^-]+-----/g)].map(([, body]) =>
        Buffer.from(body!, 'base64'),
      );
      expect(lists).toHaveLength(2);
      expect((await fetch(`${server.url}/crl/${issuerOf(good)}/delta.crl`)).status).toBe(200);
      for (const list of lists) expect(list.includes(Buffer.from('0603551d1b', 'hex'))).toBe(false);
    });

    it('thingward revocation verify finds nothing here, and finds a server whose lists are another CA’s', async () => {
      const sound = await runThingward(['revocation', 'verify', server.url, '--key', server.ownerKey]);
      expect(sound.output).toMatch(/^ok .*feed: [1-9]\d* revoked certificates, 0 of them in no list/m);
      expect(sound).toMatchObject({ code: 0, output: expect.stringMatching(/\d+ checks, 0 findings\n$/) });
      const { createServer: createHttp } = await import('node:http');
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

    /** NGINX that asks for a client certificate of ours, with one more line to judge it by. */
    async function startNginx(port: number, line: string): Promise<void> {
      const home = mkdtempSync(join(folder, 'nginx-'));
      const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name}_temp_path ${home}/${name};`)
        .join(' ');
      writeFileSync(
        join(home, 'nginx.conf'),
        `pid ${home}/pid; error_log ${home}/error.log info; worker_processes 1; events {}
        http { access_log off; ${temp} server { listen 127.0.0.1:${port} ssl; ssl_certificate ${at('server.pem')}; ssl_certificate_key ${at('server.key')};
        ssl_verify_client on; ssl_verify_depth 2; ssl_client_certificate ${at('chain.pem')}; ${line} location / { return 200 ok; } } }`,
      );
      await start('nginx', ['-p', home, '-c', join(home, 'nginx.conf'), '-g', 'daemon off; master_process off;'], port);
    }
  },
);
