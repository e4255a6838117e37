import { mkdirSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { examine } from '../../../src/cli/doctor/doctor.js';
import type { ProgramName } from '../../../src/cli/doctor/finding.js';
import { documentedForm, mqttConnect } from '../../support/pki/tls-forms.js';
import { issuerOf } from '../../support/pki/crl.js';
import { createStage, type Stage } from '../../support/judges/consumers.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { runThingward } from '../../support/shell.js';

/** How a device that is revoked tries it. */
type Way = 'with its certificate' | 'without one' | 'without TLS';
type Broken = { program: string; rule: string; way: Way; bad: string; good: string };

const tls = (more: string): string => `listener PORT 127.0.0.1
certfile server.pem
keyfile server.key
cafile chain.pem
use_identity_as_username true
${more}`;

const nginx = (verify: string, location = 'return 200;', more = ''): string => `http {
  server {
    listen 127.0.0.1:PORT ssl;
    ssl_certificate server.pem;
    ssl_certificate_key server.key;
    ssl_client_certificate chain.pem;
    ssl_verify_depth 2;
    ${verify}
    location / { ${location} }
    ${more}
  }
}`;
const listed = 'ssl_verify_client on; ssl_crl bundle.pem;';
// A question that is always answered with 401: nobody may come in.
const question = (more = ''): string =>
  `location = /_ask { internal; ${more} proxy_pass SERVER/v1/things; proxy_pass_request_body off; } location @yes { return 200; }`;
const asks = 'auth_request /_ask; try_files /none @yes;';

const haproxy = (bind: string): string => `defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend edge
  bind 127.0.0.1:PORT ssl crt server-both.pem ca-file chain.pem ${bind}
  http-request return status 200`;

const broken: Broken[] = [
  {
    program: 'mosquitto',
    rule: 'anonymous',
    way: 'without TLS',
    bad: 'listener PORT 127.0.0.1\nallow_anonymous true',
    good: 'listener PORT 127.0.0.1\nallow_anonymous false',
  },
  {
    program: 'mosquitto',
    rule: 'certificate-optional',
    way: 'without one',
    bad: `listener PORT 127.0.0.1\ncertfile server.pem\nkeyfile server.key\ncafile chain.pem\ncrlfile bundle.pem\nallow_anonymous true`,
    good: tls('crlfile bundle.pem\nrequire_certificate true'),
  },
  {
    program: 'mosquitto',
    rule: 'no-list',
    way: 'with its certificate',
    bad: tls('require_certificate true'),
    good: tls('require_certificate true\ncrlfile bundle.pem'),
  },
  {
    program: 'nginx',
    rule: 'certificate-optional',
    way: 'without one',
    bad: nginx('ssl_verify_client optional; ssl_crl bundle.pem;'),
    good: nginx(listed),
  },
  {
    program: 'nginx',
    rule: 'no-list',
    way: 'with its certificate',
    bad: nginx('ssl_verify_client on;'),
    good: nginx(listed),
  },
  {
    program: 'nginx',
    rule: 'satisfy-any',
    way: 'without one',
    bad: nginx('ssl_verify_client optional;', `satisfy any; allow 127.0.0.1; deny all; ${asks}`, question()),
    good: nginx('ssl_verify_client optional;', `satisfy all; allow 127.0.0.1; deny all; ${asks}`, question()),
  },
  {
    program: 'nginx',
    rule: 'error-page',
    way: 'without one',
    bad: nginx(
      'ssl_verify_client optional;',
      asks,
      `${question('proxy_intercept_errors on; error_page 401 =200 /_yes;')} location = /_yes { internal; return 200; }`,
    ),
    good: nginx('ssl_verify_client optional;', asks, question()),
  },
  {
    program: 'haproxy',
    rule: 'no-list',
    way: 'with its certificate',
    bad: haproxy('verify required'),
    good: haproxy('verify required crl-file bundle.pem'),
  },
  {
    program: 'haproxy',
    rule: 'certificate-optional',
    way: 'without one',
    bad: haproxy('verify optional crl-file bundle.pem'),
    good: haproxy('verify required crl-file bundle.pem'),
  },
  {
    program: 'haproxy',
    rule: 'errors-ignored',
    way: 'with its certificate',
    bad: haproxy('verify required crl-file bundle.pem crt-ignore-err all'),
    good: haproxy('verify required crl-file bundle.pem'),
  },
];

describeWith(['nginx', 'haproxy', 'mosquitto', 'openssl'], 'what the doctor finds', () => {
  let stage: Stage;
  beforeAll(async () => void (stage = await createStage()));
  afterAll(() => stage.stop());

  const written = (text: string, port: number): string =>
    text
      .replaceAll('PORT', String(port))
      .replaceAll('SERVER', stage.server.url)
      .replaceAll(/\b(server|server-both|chain|bundle)\.(pem|key)\b/g, (name) => stage.at(name));

  /** Runs a program with settings. */
  const run = async (program: string, text: string): Promise<{ port: number; file: string }> => {
    const port = await freePort();
    const home = stage.at(`${program}-${port}`);
    mkdirSync(home);
    const settings = `${written(text, port)}\n`;
    if (program === 'mosquitto') {
      const file = stage.file(`${program}-${port}.conf`, `user root\n${settings}`);
      await stage.start('mosquitto', ['-c', file], port);
      return { port, file };
    }
    if (program === 'haproxy') {
      const file = stage.file(`${program}-${port}.cfg`, settings);
      await stage.start('haproxy', ['-db', '-f', file], port);
      return { port, file };
    }
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${home}/${name};`,
    );
    const head = `pid ${home}/pid; error_log ${home}/error.log; events {}`;
    const file = stage.file(
      `${program}-${port}.conf`,
      `${head}\n${settings.replace('http {', `http { access_log off; ${temp.join(' ')}`)}`,
    );
    await stage.start('nginx', ['-p', home, '-c', file, '-g', 'daemon off; master_process off;'], port);
    return { port, file };
  };

  const letsIn = async (program: string, port: number, way: Way): Promise<boolean> => {
    const request = program === 'mosquitto' ? mqttConnect : Buffer.from('GET / HTTP/1.0\r\n\r\n');
    if (way === 'with its certificate') return stage.admits(port, stage.revoked, request);
    const socket =
      way === 'without TLS'
        ? connectTcp(port, '127.0.0.1')
        : connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
    socket.write(request);
    return new Promise((resolve) => {
      socket.once('data', (answer: Buffer) => {
        socket.destroy();
        resolve(/^HTTP\/1\.[01] 200/.test(answer.toString('latin1')) || answer.equals(Buffer.from([0x20, 2, 0, 0])));
      });
      for (const event of ['error', 'close']) socket.once(event, () => resolve(false));
    });
  };

  const rulesOf = async (file: string, program: string): Promise<string[]> => {
    const { output } = await runThingward(['doctor', '--json', '--as', program, file], {});
    const [{ findings }] = JSON.parse(output) as [{ findings: { rule: string }[] }];
    return findings.map(({ rule }) => rule);
  };

  it.each(broken)(
    '$program lets a revoked device in $way where $rule is found, and not where it is mended',
    async ({ program, rule, way, bad, good }) => {
      const open = await run(program, bad);
      expect(await letsIn(program, open.port, way)).toBe(true);
      expect(await rulesOf(open.file, program)).toContain(`${program}/${rule}`);
      const closed = await run(program, good);
      expect(await letsIn(program, closed.port, way)).toBe(false);
      expect(await rulesOf(closed.file, program)).toEqual([]);
    },
  );

  it('finds lists that hold a delta alone, have run out, lack the root, or are none', async () => {
    const { text, server, good } = stage;
    const chain = Buffer.from(await text('/ca/chain.pem'));
    const bundle = await text('/crl/bundle.pem');
    const [first] = bundle.split(/(?<=-----END X509 CRL-----\n)/) as [string];
    const delta = await (await fetch(`${server.url}/crl/${issuerOf(good)}/delta.crl`)).arrayBuffer();
    const rulesFor = (list: string | ArrayBuffer, now = new Date()): string[] => {
      const read = (path: string): Buffer => (path === 'chain.pem' ? chain : Buffer.from(list as string));
      return examine('nginx', nginx(listed), { read, now }).map(({ rule }) => rule);
    };
    expect(rulesFor(bundle)).toEqual([]);
    expect(rulesFor(bundle, new Date('2090-01-01'))).toEqual(['nginx/list-old']);
    expect(rulesFor(first)).toEqual(['nginx/list-missing-authority']);
    expect(rulesFor(delta)).toEqual(['nginx/only-delta']);
    expect(rulesFor('-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n')).toEqual(['nginx/list-unreadable']);
  });

  it.each(['tls-nginx', 'tls-nginx-ocsp', 'tls-haproxy', 'tls-mosquitto'])(
    'finds nothing in the documented %s',
    (name) => {
      const [, program] = name.split('-') as [string, ProgramName];
      expect(examine(program, documentedForm(name), { read: () => undefined, now: new Date(0) })).toEqual([]);
    },
  );

  it('says where, what harm, and what to write, and ends with 1', async () => {
    const file = stage.file('mosquitto.conf', 'listener 1883 127.0.0.1\nallow_anonymous true\n');
    const { output, code } = await runThingward(['doctor', file], {});
    expect(code).toBe(1);
    expect(output).toBe(
      `${file}:2: who names no user is let in: a revoked device connects without its certificate or token [mosquitto/anonymous]\n    allow_anonymous false\n\n1 finding.\n`,
    );
    const clean = await runThingward(['doctor', stage.file('haproxy.cfg', 'defaults\n')], {});
    expect(clean).toMatchObject({ code: 0, output: expect.stringContaining('No findings.') });
    const endless = await runThingward(
      ['doctor', stage.file('nginx.conf', nginx(listed).replace('bundle.pem', '/dev/zero'))],
      {},
    );
    expect(endless).toMatchObject({ code: 0, output: expect.stringContaining('No findings.') });
    const unknown = await runThingward(['doctor', stage.file('some.conf', 'hello')], {});
    expect(unknown.code).toBe(1);
    expect(unknown.output).toMatch(
      /^thingward: .*some\.conf: it is not clear whose settings these are; say so with --as mosquitto\|/,
    );
    const missing = await runThingward(['doctor', '/nowhere/nginx.conf'], {});
    expect(missing.output).toMatch(/^thingward: \/nowhere\/nginx\.conf cannot be read: ENOENT/);
  });
});
