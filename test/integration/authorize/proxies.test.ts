import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenOf } from '../../support/brokers/stage.js';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { freePort } from '../../support/ports.js';
import { describeWith } from '../../support/programs.js';
import { createProxyStage, type ProxyStage, type Weather } from '../../support/brokers/proxies.js';
import { startServer, type TestServer } from '../../support/server.js';

type Keys = { bearer: string; inUrl: string };
type Proxy = {
  programs: string[];
  /** Starts it as its guide says. */
  start(stage: ProxyStage, port: number, keys: Keys): Promise<unknown>;
  /** Lets nobody without a certificate in at all. */
  wantsCertificate?: true;
  /** Headers that a client adds, which this proxy passes on: they are refused. The others are not believed. */
  refuses: string[];
};

const temp = (home: string) =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${home}/${name};`).join(' ');

const proxies: Record<string, Proxy> = {
  NGINX: {
    programs: ['nginx'],
    refuses: ['x-forwarded-uri', 'x-forwarded-method'],
    start(stage, port, { bearer }) {
      const home = stage.at('nginx');
      mkdirSync(home);
      const own = `pid ${home}/pid; error_log ${home}/error.log info; events {} http { access_log off; ${temp(home)}`;
      const config = stage.file('nginx.conf', `${own}\n${stage.guide('nginx', 'nginx', port, bearer)} }`);
      return stage.start('nginx', ['-p', home, '-c', config, '-g', 'daemon off; master_process off;'], port);
    },
  },
  HAProxy: {
    programs: ['haproxy'],
    refuses: [],
    start(stage, port, { bearer }) {
      stage.file('thingward.lua', stage.guide('haproxy', 'haproxy-lua', port, bearer));
      return stage.start(
        'haproxy',
        ['-db', '-f', stage.file('haproxy.cfg', stage.guide('haproxy', 'haproxy', port, bearer))],
        port,
      );
    },
  },
  Traefik: {
    programs: ['traefik'],
    refuses: [],
    wantsCertificate: true,
    start(stage, port, { inUrl }) {
      stage.file('dynamic.yml', stage.guide('traefik', 'traefik-dynamic', port, inUrl));
      const config = stage.file('traefik.yml', stage.guide('traefik', 'traefik', port, inUrl));
      return stage.start('traefik', [`--configFile=${config}`], port);
    },
  },
  Caddy: {
    programs: ['caddy'],
    refuses: ['x-original-uri', 'x-original-method'],
    start(stage, port, { bearer }) {
      const config = stage.file('Caddyfile', stage.guide('caddy', 'caddy', port, bearer));
      return stage.start('caddy', ['run', '--config', config, '--adapter', 'caddyfile'], port);
    },
  },
  Envoy: {
    programs: ['envoy'],
    refuses: [],
    start(stage, port, { bearer }) {
      const config = stage.file('envoy.yaml', stage.guide('envoy', 'envoy', port, bearer));
      return stage.start(
        'envoy',
        ['-c', config, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'],
        port,
      );
    },
  },
};

const own = '/things/good/state?x=1';
const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

describe.each(Object.entries(proxies))(
  '%s as its guide sets it up',
  (name, { programs, start, wantsCertificate, refuses }) => {
    describeWith(['openssl', ...programs], 'in front of a service', () => {
      let server: TestServer;
      let stage: ProxyStage;
      let port: number;
      let devices: Record<'good' | 'revoked' | 'suspended' | 'late', Device>;

      beforeAll(async () => {
        server = await startServer('embedded');
        stage = await createProxyStage(server);
        const { owner } = server;
        const hour = server.now().getUTCHours();
        const at = (ahead: number) => `${String((hour + ahead) % 24).padStart(2, '0')}:00`;
        const hours = (from: number, to: number) => ({
          timeWindows: [{ from: at(from), to: at(to), days, timeZone: 'UTC' }],
        });
        const allow = (id: string, path: string, condition?: object) => ({
          id,
          effect: 'allow',
          actions: ['request'],
          resources: [`http:GET /${path}`],
          ...(condition ? { condition } : {}),
        });
        const statements = [
          allow('own', 'things/${thing.name}/#'),
          allow('now', 'now', hours(23, 3)),
          allow('later', 'later', hours(6, 8)),
          allow('home', 'home', { sourceCidrs: ['127.0.0.0/8'], protocols: ['https'] }),
          allow('away', 'away', { sourceCidrs: ['192.0.2.0/24'] }),
        ];
        expect((await owner.post('/v1/policies', { name: 'web', statements })).status).toBe(201);
        const { token } = await enroll(server, { policies: ['web'] });
        const add = (device: string) => provision(server, token, device);
        devices = {
          good: await add('good'),
          revoked: await add('revoked'),
          suspended: await add('suspended'),
          late: await add('late'),
        };
        const serial = devices.revoked.answer.body.certificate.serialNumber as string;
        await owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'keyCompromise' });
        await owner.post('/v1/things/suspended/suspend');
        const key = async (request: object) => (await owner.post('/v1/api-keys', request)).body.key as string;
        const keys = {
          bearer: await key({ role: 'proxy', bearer: true }),
          inUrl: await key({ permissions: ['authorize:query'], inUrl: true }),
        };
        port = await freePort();
        await start(stage, port, keys);
        await untilReady();
      });
      afterAll(async () => {
        await stage?.stop();
        await server?.stop();
      });

      /** Traefik listens before it has read what it is to do. */
      const untilReady = async () => {
        for (let tries = 0; tries < 240; tries++) {
          if ((await stage.send(port, { path: own, device: devices.good })).passed) return;
          await new Promise((resolve) => setTimeout(resolve, 500));
        }
        throw new Error(`${name} lets nobody in`);
      };

      const refused = { passed: false };
      const bearer = (device: Device) => ({ authorization: `Bearer ${tokenOf(device)}` });

      it('lets a good device in, by its certificate and by its token, and says which thing it is', async () => {
        const { good } = devices;
        const certificate = await stage.send(port, { path: own, device: good });
        expect(certificate).toEqual({ status: 200, passed: true, thing: 'good' });
        // What a client says of itself is replaced.
        const liar = { 'x-thingward-thing': 'admin' };
        expect(await stage.send(port, { path: own, device: good, headers: liar })).toEqual({
          status: 200,
          passed: true,
          thing: 'good',
        });
        const byToken = await stage.send(port, { path: own, headers: bearer(good) });
        expect(byToken).toEqual(
          wantsCertificate
            ? { status: 0, passed: false, thing: undefined }
            : { status: 200, passed: true, thing: 'good' },
        );
        expect(await stage.send(port, { path: '/home', device: good })).toMatchObject({ passed: true });
        expect(await stage.send(port, { path: '/now', device: good })).toMatchObject({ passed: true });
      });

      it('lets nobody else in', async () => {
        const { good, revoked, suspended, late } = devices;
        const tries: Record<string, Parameters<ProxyStage['send']>[1]> = {
          'nothing shown': { path: own },
          'a token of nobody': { path: own, headers: { authorization: 'Bearer x.y.z' } },
          'a revoked certificate': { path: '/things/revoked/state', device: revoked },
          'a suspended thing': { path: '/things/suspended/state', device: suspended },
          'the token of a suspended thing': { path: '/things/suspended/state', headers: bearer(suspended) },
          "another's path": { path: own, device: late },
          'another method': { path: own, method: 'DELETE', device: good },
          'an odd method': { path: own, method: 'PROPFIND', device: good },
          'a dot segment': { path: '/things/good/../late/state', device: good },
          'an encoded slash': { path: '/things/good%2fstate', device: good },
          'outside its hours': { path: '/later', device: good },
          'an address elsewhere': { path: '/away', device: good },
          'an address that it only says': {
            path: '/away',
            device: good,
            headers: { 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.1' },
          },
          "another's token beside its certificate": { path: own, device: late, headers: bearer(good) },
        };
        for (const [what, request] of Object.entries(tries))
          expect(await stage.send(port, request), what).toMatchObject(refused);
      });

      it('believes no header that a client adds', async () => {
        const { late } = devices;
        const liars: Record<string, string>[] = [
          { 'x-original-uri': '/things/late/state' },
          { 'x-original-method': 'GET' },
          { 'x-original-url': 'https://edge/things/late/state' },
          { 'x-forwarded-uri': '/things/late/state' },
          { 'x-forwarded-method': 'GET', 'x-forwarded-uri': '/things/late/state' },
          { 'x-ssl-client-verify': 'SUCCESS', 'x-ssl-client-der': 'AAAA' },
        ];
        for (const headers of liars) {
          expect(await stage.send(port, { path: own, device: late, headers }), JSON.stringify(headers)).toMatchObject(
            refused,
          );
          const honest = await stage.send(port, { path: '/things/late/state', device: late, headers: { ...headers } });
          const isRefused = Object.keys(headers).some((each) => refuses.includes(each));
          if (isRefused) expect(honest, JSON.stringify(headers)).toMatchObject({ status: 403, passed: false });
        }
        const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'attacker' })).body as {
          ownerKey: string;
        };
        const keys = [{ 'x-thingward-key': ownerKey }, { authorization: `Bearer ${ownerKey}` }];
        for (const headers of keys)
          expect(await stage.send(port, { path: own, device: late, headers })).toMatchObject(refused);
        expect(await stage.send(port, { path: `${own}&key=${ownerKey}`, device: late })).toMatchObject(refused);
      });

      it('refuses from the next request on when a certificate is revoked', async () => {
        const { late } = devices;
        expect(await stage.send(port, { path: '/things/late/state', device: late })).toMatchObject({ passed: true });
        const serial = late.answer.body.certificate.serialNumber as string;
        await server.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'certificateHold' });
        expect(await stage.send(port, { path: '/things/late/state', device: late })).toMatchObject(refused);
        await server.owner.post(`/v1/certificates/${serial}/release`);
        expect(await stage.send(port, { path: '/things/late/state', device: late })).toMatchObject({ passed: true });
      });

      it('lets nobody in while Thingward is away, slow, failing or somebody else', async () => {
        const { good } = devices;
        for (const weather of ['gone', 'slow', 'failing', 'redirecting'] as Weather[]) {
          stage.become(weather);
          expect(await stage.send(port, { path: own, device: good }), `${name}: ${weather}`).toMatchObject(refused);
        }
        stage.become('fine');
        await expect
          .poll(() => stage.send(port, { path: own, device: good }), { timeout: 120_000 })
          .toMatchObject({ passed: true });
      });
    });
  },
);
