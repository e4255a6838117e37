import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyDatabase } from '../../support/databases/databases.js';
import { createDialectStage, derOf, say, tokenOf, type DialectStage } from '../../support/brokers/stage.js';
import { pemOf, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const original = ['x-original-method', 'x-original-uri'] as const;
const forwarded = ['x-forwarded-method', 'x-forwarded-uri'] as const;
const escaped = (device: Device) => encodeURIComponent(pemOf(device));

/** Each proxy with its pair, and how it passes a certificate on. */
const proxies = {
  nginx: {
    pair: original,
    certificate: (device: Device) => ({
      'x-ssl-client-verify': 'SUCCESS',
      'x-ssl-client-escaped-cert': escaped(device),
    }),
  },
  traefik: { pair: forwarded, certificate: (device: Device) => ({ 'x-forwarded-tls-client-cert': derOf(device) }) },
  caddy: { pair: forwarded, certificate: (device: Device) => ({ 'x-ssl-client-der': derOf(device) }) },
  haproxy: {
    pair: original,
    certificate: (device: Device) => ({ 'x-ssl-client-verify': '0', 'x-ssl-client-der': derOf(device) }),
  },
};
type Proxy = keyof typeof proxies;
const names = Object.keys(proxies) as Proxy[];
const all = [...original, ...forwarded, 'x-original-url'];

describe.each(anyDatabase)('forward-auth on %s', (kind) => {
  let server: TestServer;
  let stage: DialectStage;
  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
    stage = await createDialectStage(server);
  });
  afterAll(() => server.stop());

  const ask = (proxy: Proxy, target: string, headers: Record<string, string> = {}, method = 'GET') => {
    const [verb, uri] = proxies[proxy].pair;
    return say(server, {
      method: 'GET',
      path: `/integrations/forward-auth/${proxy}`,
      headers: { 'x-thingward-key': stage.proxy, [verb]: method, [uri]: target, ...headers },
    });
  };
  const by = (device: Device) => ({ authorization: `Bearer ${tokenOf(device)}` });
  const own = '/things/pump-1/state?x=1';

  it.each(names)('%s: a device passes by token, by certificate and by both, and is named', async (proxy) => {
    const { device, other } = stage;
    const certificate = proxies[proxy].certificate(device);
    for (const headers of [by(device), certificate, { ...by(device), ...certificate }]) {
      const { status, body, headers: got } = await ask(proxy, own, headers);
      expect([status, body]).toEqual([204, '']);
      expect(got).toMatchObject({
        'x-thingward-thing': 'pump-1',
        'x-thingward-account': 'default',
        'cache-control': 'max-age=5',
      });
    }
    // A token is bound to its certificate, whatever the key promises.
    expect(await ask(proxy, own, { ...by(device), ...proxies[proxy].certificate(other) })).toMatchObject({
      status: 403,
    });
    expect(await ask(proxy, own, { ...by(device), 'x-thingward-key': stage.guarded })).toMatchObject({ status: 403 });
  });

  it.each(names)('%s: 401 for whoever nobody knows, 403 for what is denied', async (proxy) => {
    const { device, suspended, revoked } = stage;
    expect(await ask(proxy, own)).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="thingward"', 'x-thingward-reason': 'unknown-principal' },
    });
    expect(await ask(proxy, own, { authorization: 'Bearer x.y.z' })).toMatchObject({ status: 401 });
    const denied = [
      ['/things/pump-2/state', 'GET'],
      [own, 'DELETE'],
      ['/things/pump-1/../pump-2/state', 'GET'],
      ['/things/pump-1%2fx', 'GET'],
      ['/things//pump-1', 'GET'],
      ['things/pump-1/state', 'GET'],
      [own, 'get'],
    ] as const;
    for (const [target, method] of denied)
      expect(await ask(proxy, target, by(device), method), `${method} ${target}`).toMatchObject({
        status: 403,
        headers: { 'x-thingward-thing': 'pump-1' },
      });
    for (const refused of [suspended, revoked]) {
      expect([401, 403]).toContain((await ask(proxy, own, by(refused))).status);
      expect([401, 403]).toContain((await ask(proxy, own, proxies[proxy].certificate(refused))).status);
    }
  });

  it.each(names)("%s: another proxy's header, a repeated one or none is 403", async (proxy) => {
    const { device } = stage;
    const { pair } = proxies[proxy];
    const [verb, uri] = pair;
    const allowed: readonly string[] = proxy === 'nginx' ? [...pair, 'x-original-url'] : pair;
    for (const foreign of all.filter((name) => !allowed.includes(name))) {
      const said = await ask(proxy, own, { ...by(device), [foreign]: own });
      expect(said, foreign).toMatchObject({ status: 403 });
      // Empty, it is still another's.
      expect(await ask(proxy, own, { ...by(device), [foreign]: '' }), foreign).toMatchObject({ status: 403 });
    }
    const plain = { method: 'GET', path: `/integrations/forward-auth/${proxy}` };
    const key = { 'x-thingward-key': stage.proxy, ...by(device) };
    expect(await say(server, { ...plain, headers: key })).toMatchObject({ status: 403 });
    expect(await say(server, { ...plain, headers: { ...key, [verb]: 'GET' } })).toMatchObject({ status: 403 });
    expect(await say(server, { ...plain, headers: { ...key, [uri]: own } })).toMatchObject({ status: 403 });
    for (const name of pair) expect(await repeated(proxy, { ...key, [verb]: 'GET', [uri]: own }, name)).toBe(403);
    expect(await repeated(proxy, { ...key, [verb]: 'GET', [uri]: own }, undefined)).toBe(204);
  });

  /** Over a connection, with one header twice. */
  const repeated = async (proxy: Proxy, headers: Record<string, string>, twice: string | undefined) => {
    const { request } = await import('node:http');
    const lines = Object.entries(headers).flatMap(([name, value]) =>
      name === twice ? [name, value, name, value] : [name, value],
    );
    return new Promise<number>((resolve, reject) => {
      const call = request(`${server.url}/integrations/forward-auth/${proxy}`, {
        method: 'GET',
        headers: ['host', 'x', ...lines] as never,
      });
      call.on('response', (response) => {
        response.resume();
        resolve(response.statusCode!);
      });
      call.on('error', reject);
      call.end();
    });
  };

  it('NGINX: the whole URL of the ingress controller will do, alone or where both say the same', async () => {
    const { device } = stage;
    const ingress = (headers: Record<string, string>) =>
      say(server, {
        method: 'GET',
        path: '/integrations/forward-auth/nginx',
        headers: { 'x-thingward-key': stage.proxy, 'x-original-method': 'GET', ...by(device), ...headers },
      });
    const url = `https://edge.example.com${own}`;
    expect(await ingress({ 'x-original-url': url })).toMatchObject({ status: 204 });
    expect(await ingress({ 'x-original-url': url, 'x-original-uri': own })).toMatchObject({ status: 204 });
    expect(await ingress({ 'x-original-url': 'https://x/other', 'x-original-uri': own })).toMatchObject({
      status: 403,
    });
  });

  it('NGINX: without SUCCESS no certificate is believed', async () => {
    const certificate = { 'x-ssl-client-escaped-cert': escaped(stage.device) };
    for (const verify of [{}, { 'x-ssl-client-verify': 'NONE' }, { 'x-ssl-client-verify': 'FAILED:expired' }])
      expect(await ask('nginx', own, { ...certificate, ...verify })).toMatchObject({ status: 401 });
  });

  it('addresses and protocols come from the headers that the proxy writes', async () => {
    await server.owner.post('/v1/policies', {
      name: 'inside',
      statements: [
        {
          id: 'inside',
          effect: 'allow',
          actions: ['request'],
          resources: ['http:GET /inside'],
          condition: { sourceCidrs: ['10.0.0.0/8'], protocols: ['https'] },
        },
      ],
    });
    await server.owner.send('PUT', '/v1/things/pump-2/policies', { policies: ['inside'] });
    const https = { 'x-forwarded-proto': 'https', ...by(stage.other) };
    expect(await ask('nginx', '/inside', { ...https, 'x-real-ip': '10.1.2.3' })).toMatchObject({ status: 204 });
    expect(await ask('nginx', '/inside', { ...https, 'x-real-ip': '192.0.2.1' })).toMatchObject({ status: 403 });
    expect(await ask('nginx', '/inside', { ...https, 'x-forwarded-for': '10.1.2.3' })).toMatchObject({ status: 403 });
    expect(await ask('traefik', '/inside', { ...https, 'x-forwarded-for': '10.1.2.3' })).toMatchObject({ status: 204 });
    // What comes before the last address, a client may have written.
    const chain = { 'x-forwarded-for': '10.1.2.3, 192.0.2.1' };
    expect(await ask('caddy', '/inside', { ...https, ...chain })).toMatchObject({ status: 403 });
    // Envoy puts its own address last.
    const envoy = (headers: Record<string, string>) =>
      say(server, {
        method: 'GET',
        path: '/integrations/envoy/inside',
        headers: { 'x-thingward-key': stage.proxy, ...https, ...headers },
      });
    expect(await envoy({ 'x-real-ip': '10.1.2.3', 'x-forwarded-for': '192.0.2.1' })).toMatchObject({ status: 200 });
    expect(await envoy({ 'x-forwarded-for': '10.1.2.3' })).toMatchObject({ status: 403 });
    const plain = { ...by(stage.other), 'x-forwarded-proto': 'http', 'x-forwarded-for': '10.1.2.3' };
    expect(await ask('caddy', '/inside', plain)).toMatchObject({ status: 403 });
  });

  it('any method and any body is taken, and what the client sends decides nothing', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'M-SEARCH']) {
      const headers = {
        'x-thingward-key': stage.proxy,
        'x-forwarded-method': 'GET',
        'x-forwarded-uri': own,
        ...by(stage.device),
        ...(method === 'GET' || method === 'HEAD' ? {} : { 'content-type': 'application/json', 'content-length': '0' }),
      };
      const said = await say(server, { method, path: '/integrations/forward-auth/traefik?key=&uri=/x', headers });
      expect(said.status, method).toBe(204);
    }
    const octets = await server.inject({
      method: 'POST',
      url: '/integrations/forward-auth/traefik',
      headers: {
        'x-thingward-key': stage.proxy,
        'x-forwarded-method': 'GET',
        'x-forwarded-uri': own,
        ...by(stage.device),
        'content-type': 'application/octet-stream',
      },
      payload: Buffer.from([0, 1, 2]),
    });
    expect(octets.statusCode).toBe(204);
  });

  it('the key may stand in three places; two keys are none', async () => {
    const pair = { 'x-original-method': 'GET', 'x-original-uri': own };
    const path = '/integrations/forward-auth/nginx';
    const certificate = proxies.nginx.certificate(stage.device);
    const at = (headers: Record<string, string>, url = path) =>
      say(server, { method: 'GET', path: url, headers: { ...pair, ...headers } });
    expect(await at({ ...certificate, authorization: `Bearer ${stage.proxy}` })).toMatchObject({ status: 204 });
    const basic = Buffer.from(`nginx:${stage.proxy}`).toString('base64');
    expect(await at({ ...certificate, authorization: `Basic ${basic}` })).toMatchObject({ status: 204 });
    expect(await at({ ...by(stage.device) }, `${path}?key=${stage.inUrl}`)).toMatchObject({ status: 204 });
    // A key with more rights must not stand there.
    expect(await at({ ...by(stage.device) }, `${path}?key=${stage.proxy}`)).toMatchObject({ status: 403 });
    // An account of somebody's own, whose devices may do anything.
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `own-${kind}` })).body;
    expect(
      await at({ ...by(stage.device), 'x-thingward-key': stage.proxy, authorization: `Bearer ${ownerKey}` }),
    ).toMatchObject({ status: 403 });
    expect(await at({ ...by(stage.device), 'x-thingward-key': stage.proxy }, `${path}?key=${ownerKey}`)).toMatchObject({
      status: 403,
    });
    expect(await at({ ...by(stage.device), 'x-thingward-key': `${stage.proxy}, ${ownerKey}` })).toMatchObject({
      status: 403,
    });
  });

  describe('Envoy', () => {
    const envoy = (target: string, headers: Record<string, string> = {}, method = 'GET') =>
      say(server, {
        method,
        path: `/integrations/envoy${target}`,
        headers: { 'x-thingward-key': stage.proxy, ...headers },
      });

    it('gets exactly 200, 401 and 403, for the method and path of the client', async () => {
      const { device } = stage;
      expect(await envoy(own, by(device))).toMatchObject({ status: 200, headers: { 'x-thingward-thing': 'pump-1' } });
      expect(await envoy(own)).toMatchObject({ status: 401 });
      expect(await envoy(own, by(device), 'PUT')).toMatchObject({ status: 403 });
      expect(await envoy(own, by(device), 'PROPFIND')).toMatchObject({ status: 403 });
      expect(await envoy('/things/pump-2/state', by(device))).toMatchObject({ status: 403 });
      expect(await envoy('/things/pump-1/..%2f', by(device))).toMatchObject({ status: 403 });
      const empty = { ...by(device), 'content-type': 'application/json', 'content-length': '0' };
      expect(await envoy(own, empty, 'POST')).toMatchObject({ status: 403 });
    });

    it('believes the last element of X-Forwarded-Client-Cert alone, quotes and all', async () => {
      const element = (device: Device) => `By=spiffe://x;Hash=00;Subject="CN=a,O=\\"b;c\\"";Cert="${escaped(device)}"`;
      const { device, other } = stage;
      const header = (text: string) => ({ 'x-forwarded-client-cert': text });
      expect(await envoy(own, header(element(device)))).toMatchObject({ status: 200 });
      expect(await envoy(own, header(`${element(other)},${element(device)}`))).toMatchObject({ status: 200 });
      expect(await envoy(own, header(`${element(device)},${element(other)}`))).toMatchObject({ status: 403 });
      expect(await envoy(own, header(`${element(device)},By=x`))).toMatchObject({ status: 401 });
      expect(await envoy(own, header(`Subject="x;Cert=${escaped(device)}"`))).toMatchObject({ status: 401 });
      const hash = { fingerprint: device.answer.body.certificate.fingerprint as string };
      expect(await envoy(own, header(`Hash=${hash.fingerprint}`))).toMatchObject({ status: 200 });
    });
  });
});
