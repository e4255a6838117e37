import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll } from '../../support/fleet.js';
import { sendRaw } from '../../support/raw-http.js';
import { startServer, type TestServer } from '../../support/server.js';

const json = { 'content-type': 'application/json' };
const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const statement = { id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:x'] };

describe.each(databaseKinds)('odd requests on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind, {
      THINGWARD_TRUSTED_PROXIES: '127.0.0.1',
      THINGWARD_METRICS_TOKEN: 'b8XtQm2LrW9sKzP4vNcY7dHj',
    });
    const { token } = await enroll(server);
    await server.as(token).post('/v1/provision', { thingName: 'odd', csr: csrPem() });
  });
  afterAll(() => server.stop());

  const statusOf = async (method: string, path: string, body?: unknown) =>
    (await server.owner.send(method, path, body, body === undefined ? {} : json)).status;

  it('400 or 422 for text that the database cannot hold, wherever it stands', async () => {
    for (const odd of ['\\u0000', '\\ud800', 'a\\udc00b', '\\ud83d\\u0041']) {
      const policy = (condition: string) =>
        `{"name":"odd","statements":[{"id":"a","effect":"allow","actions":["request"],"resources":["http:GET /a"],"condition":${condition}}]}`;
      const segment = `{"name":"odd","cidr":"10.0.0.0/8","egressRules":[{"a":"${odd}"}]}`;
      for (const [path, body] of [
        ['/v1/policies', policy(`{"attributes":{"site":["${odd}"]}}`)],
        ['/v1/policies', policy(`{"timeWindows":[{"from":"06:00","to":"07:00","days":["mon"],"timeZone":"${odd}"}]}`)],
        [
          '/v1/policies',
          JSON.stringify({
            name: 'odd',
            statements: [{ ...statement, resources: ['http:GET /X'], actions: ['request'] }],
          }).replace('X', odd),
        ],
        ['/v1/segments', segment],
        ['/v1/segments', segment.replace('{"a"', `{"${odd}"`)],
        ['/v1/api-keys', `{"role":"auditor","name":"${odd}"}`],
      ] as const)
        expect([400, 422], `${path} ${body}`).toContain(await statusOf('POST', path, body));
      expect(await statusOf('PATCH', '/v1/things/odd', `{"attributes":{"a":"${odd}"}}`)).toBe(400);
    }
    // The embedded database would give the name back without it.
    for (const mark of ['\\ufeff', '\ufeff'])
      expect(await statusOf('POST', '/v1/api-keys', `{"role":"auditor","name":"${mark}"}`)).toBe(400);
    for (const path of [
      '/v1/audit?target=%00',
      '/v1/audit?action=a%00',
      '/v1/things?policy=%00',
      '/v1/things/a%00',
      '/v1/certificates?cursor=%00',
    ])
      expect(await statusOf('GET', path), path).toBe(400);
    // Questions are answered: nothing has such a name.
    const asked = await server.owner.send(
      'POST',
      '/v1/authorize',
      `{"principal":{"thingName":"odd"},"action":"publish","resource":"topic:a\\u0000"}`,
    );
    expect(asked.body).toMatchObject({ decision: 'deny', reasons: ['malformed-resource'] });
  });

  it('400 for nesting without end', async () => {
    for (const levels of [65, 6000, 20_000]) {
      expect(
        await statusOf(
          'POST',
          '/v1/segments',
          `{"name":"deep","cidr":"10.0.0.0/8","egressRules":[{"a":${nested(levels)}}]}`,
        ),
      ).toBe(400);
      expect(await statusOf('POST', '/access/v1/evaluations', `{"context":{"a":${nested(levels)}}}`)).toBe(400);
      expect(await statusOf('POST', '/v1/policies/lint', nested(levels))).toBe(400);
    }
    expect(
      await statusOf('POST', '/v1/segments', `{"name":"deep","cidr":"10.0.0.0/8","egressRules":[{"a":${nested(50)}}]}`),
    ).toBe(201);
  });

  it('400 for times outside 1970 to 9999, and for numbers that no column holds', async () => {
    for (const at of [
      '0000-01-01T00:00:00Z',
      '0001-01-01T00:00:00Z',
      '1969-12-31T23:59:59Z',
      '9999-12-31T23:59:59-01:00',
    ]) {
      expect(await statusOf('POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1, expiresAt: at }), at).toBe(
        400,
      );
      expect(await statusOf('POST', '/v1/api-keys', { role: 'auditor', expiresAt: at }), at).toBe(400);
      expect(await statusOf('GET', `/v1/certificates?expiringBefore=${encodeURIComponent(at)}`), at).toBe(400);
      expect(
        await statusOf('POST', '/v1/policies/simulate', {
          requests: [{ thing: { name: 'a' }, action: 'publish', resource: 'topic:a', at }],
        }),
        at,
      ).toBe(400);
      expect(
        await statusOf('POST', '/v1/revocations/bulk', {
          filter: { issuedBefore: at },
          reason: 'superseded',
          dryRun: true,
        }),
        at,
      ).toBe(400);
    }
    const end = '9999-12-31T23:59:59Z';
    expect(await statusOf('POST', '/v1/enrollments', { thingNamePattern: '*', maxUses: 1, expiresAt: end })).toBe(201);
    expect(await statusOf('POST', '/v1/api-keys', { role: 'auditor', expiresAt: end })).toBe(201);
    expect(await statusOf('GET', `/v1/certificates?expiringBefore=${end}`)).toBe(200);
    expect(
      await statusOf('POST', '/v1/policies/simulate', {
        requests: [{ thing: { name: 'a' }, action: 'read', resource: 'endpoint:control_endpoint', at: end }],
        policies: [{ name: 'actuator' }],
      }),
    ).toBe(200);
    for (const version of [2 ** 31, 2 ** 53, 1e308, -1, 0]) {
      expect(await statusOf('POST', '/v1/policies/sensor/activate', { version, dryRun: true }), `${version}`).toBe(400);
      expect(
        await statusOf('POST', '/v1/policies/simulate', { policies: [{ name: 'sensor', version }], requests: [] }),
        `${version}`,
      ).toBe(400);
      expect(await statusOf('GET', `/v1/policies/sensor/aws?version=${version}`), `${version}`).toBe(400);
      expect(await statusOf('GET', `/v1/policies/sensor/versions/${version}`), `${version}`).toBe(400);
      if (version > 0)
        expect(
          await statusOf('POST', '/v1/revocations/bulk', {
            filter: { policy: 'x' },
            reason: 'superseded',
            expectedCount: version,
          }),
        ).toBe(400);
    }
    const top = 2 ** 31 - 1;
    expect(await statusOf('POST', '/v1/policies/sensor/activate', { version: top })).toBe(404);
    expect(await statusOf('GET', `/v1/policies/sensor/versions/${top}`)).toBe(404);
    expect(await statusOf('GET', `/v1/policies/sensor/aws?version=${top}`)).toBe(404);
  });

  it('404 for what leads out of the folder of /docs, and a page that loads nothing from elsewhere', async () => {
    for (const path of ['%2e%2e/package.json', '..%2f..%2fpackage.json', '%2e%2e%5cx', 'a%00', '%c0%ae/', '%'])
      expect(
        (await sendRaw(server.url, `GET /docs/static/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).text,
        path,
      ).toMatch(/^HTTP\/1\.1 40[04] /);
    const raw = await sendRaw(
      server.url,
      'GET /docs/static/%2e%2e/package.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    expect(raw.text).toContain('404 Not Found');
    expect(raw.text).toContain('application/problem+json');
    for (const path of ['/docs/', '/docs/static/swagger-ui.css', '/docs/static/swagger-initializer.js']) {
      const page = await fetch(`${server.url}${path}`);
      expect(page.status).toBe(200);
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      await page.text();
    }
  });

  it('405 with Allow for a method that a path does not take, and 404 only where there is no path', async () => {
    for (const [method, path, allow] of [
      ['GET', '/v1/provision', 'POST'],
      ['PUT', '/v1/things/odd', 'DELETE, GET, HEAD, PATCH'],
      ['DELETE', '/v1/authorize', 'POST'],
      ['POST', '/healthz', 'GET, HEAD'],
      ['PATCH', '/crl/bundle.pem', 'GET, HEAD'],
      ['POST', '/crl/0123456789abcdef.crl', 'GET, HEAD'],
      ['OPTIONS', '/v1/things', 'GET, HEAD'],
      ['PROPFIND', '/v1/things', 'GET, HEAD'],
      ['POST', '/openapi.json', 'GET, HEAD'],
    ] as const) {
      const answer = await server.as(undefined).send(method, path);
      expect([answer.status, problemOf(answer), answer.headers.get('allow')], `${method} ${path}`).toEqual([
        405,
        'method-not-allowed',
        allow,
      ]);
    }
    const head = await fetch(`${server.url}/v1/authorize`, { method: 'HEAD' });
    expect([head.status, head.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await fetch(`${server.url}/healthz`, { method: 'HEAD' })).status).toBe(200);
    expect(await statusOf('GET', '/v1/nothing')).toBe(404);
    expect(await statusOf('DELETE', '/nothing')).toBe(404);
  });

  it('400 and a closed connection for a request whose end is doubtful', async () => {
    const hidden = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    for (const header of [
      'xchunked',
      'identity',
      '',
      'chunked, identity',
      'gzip, chunked',
      '"chunked"',
      'chunked;q=1',
      'chunked\r\nContent-Length: 3',
      'chunked\r\nTransfer-Encoding: x',
    ]) {
      for (const path of ['/healthz', '/v1/token', '/nothing']) {
        const { text, closed } = await sendRaw(
          server.url,
          `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ${header}\r\n\r\n${hidden}`,
        );
        expect(closed, header).toBe(true);
        expect(text.match(/HTTP\/1\.1 \d+/g), `${header} ${path}`).toEqual(['HTTP/1.1 400']);
        expect(text).toContain('urn:thingward:problem:invalid-request');
      }
    }
    for (const header of ['+3', '3, 3', '0x3', '-1', '3\r\nContent-Length: 4', '3\r\nContent-Length: 3']) {
      const { text, closed } = await sendRaw(
        server.url,
        `POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: ${header}\r\n\r\n${hidden}`,
      );
      expect([closed, text.match(/HTTP\/1\.1 \d+/g)], header).toEqual([true, ['HTTP/1.1 400']]);
    }
    const chunked = await sendRaw(
      server.url,
      `POST /v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n${hidden}`,
    );
    expect(chunked.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200']);
  });
});
