import { randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { databaseKinds } from '../../support/databases/databases.js';
import { findDearest, runCampaign } from '../../support/fuzz/campaign.js';
import { startServer } from '../../support/server.js';

// `npm run ci-long` sends 20,000, in CI too; `npm run api-fuzz` a million.
const total = Number(process.env['FUZZ_REQUESTS'] ?? 4000);
// The same requests every time, unless another seed is asked for: `FUZZ_SEED=any` takes one by chance.
const asked = process.env['FUZZ_SEED'] ?? '756765393';
const seed = asked === 'any' ? randomInt(2 ** 31) : Number(asked);

/** Operations that say 2xx only with something that this machine lacks, and why. */
const without2xx = new Map([
  ['GET /v1/alerts/{id}', 'needs an alert that fires, and nothing judges the rules meanwhile'],
  ['POST /v1/alerts/{id}/acknowledge', 'the same'],
  ['POST /v1/webhooks/{id}/deliveries/{delivery}/retry', 'needs an event that was refused'],
  ['GET /v1/authorize/stream', 'is a WebSocket'],
  ['GET /v1/stale', 'needs a person'],
  ['GET /v1/things/expected/{name}', 'needs a row of an upload'],
  ['DELETE /v1/things/expected/{name}', 'the same'],
  ['PUT /v1/enrollments/{id}/crl', 'needs a list that the authority of an enrollment signed'],
  ['PUT /v1/issuers/{id}/certificate', 'needs a certificate that another root signed'],
  ['POST /v1/self/revoke', 'needs a proof by a device key, which would end the device of the pools'],
  ...[
    ...['password', 'totp', 'recovery', 'passkey', 'passkey/options', 'link', 'link/passkey', 'link/password'].map(
      (each) => `POST /v1/sign-in/${each}`,
    ),
    ...['POST /v1/me/command-line', 'POST /v1/sign-in/command-line'],
    ...['GET /v1/me', 'GET /v1/me/sessions', 'DELETE /v1/me/sessions/{id}', 'POST /v1/me/step-up', 'POST /v1/me/setup'],
    ...['POST /v1/me/passkeys', 'DELETE /v1/me/passkeys/{id}', 'PUT /v1/me/password', 'DELETE /v1/me/password'],
    'POST /v1/me/recovery-codes',
  ].map((name): [string, string] => [name, 'needs a page of the site, and a person']),
  ['GET /v1/sign-in/oidc/{provider}', 'needs a provider, and sends elsewhere'],
  ['GET /v1/sign-in/oidc/{provider}/callback', 'needs a provider'],
  ['POST /v1/sign-in/oidc/{provider}/backchannel-logout', 'needs a provider'],
  ['POST /v1/aws/import', 'needs AWS'],
  ['POST /v1/aws/reconcile', 'needs AWS'],
  ['GET /v1/aws/import/{id}', 'needs AWS'],
  ['GET /v1/aws/reconcile/{id}', 'needs AWS'],
  ['POST /v1/aws/retry', 'needs AWS'],
  ['POST /v1/things/{name}/aws/retry', 'needs AWS'],
  ['GET /integrations/forward-auth/nginx', 'asks by headers'],
  ['GET /integrations/forward-auth/traefik', 'asks by headers'],
  ['GET /integrations/forward-auth/caddy', 'asks by headers'],
  ['GET /integrations/forward-auth/haproxy', 'asks by headers'],
  ['GET /integrations/envoy/{rest}', 'asks by headers'],
  ['POST /integrations/mosquitto/user', 'needs a key that is made for tokens alone'],
  ['POST /integrations/mosquitto/superuser', 'is never a yes'],
  ['POST /integrations/mosquitto/acl', 'is no yes once an earlier request took the rights away'],
]);

describe.each(databaseKinds)('every route on %s', (kind) => {
  it(
    'answers whatever it is sent with a success or a problem, never a failure of its own, and keeps nothing',
    { timeout: 3_600_000 },
    async () => {
      const server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '1000000' });
      const start = performance.now();
      const cpu = process.cpuUsage();
      const report = await runCampaign(server, seed, Math.ceil(total / databaseKinds.length));
      console.log(
        `api fuzz on ${kind}: seed=${seed} requests=${report.requests} ${JSON.stringify(report.byClass)} limited=${report.limited} ` +
          `operations=${report.operations.length} without 2xx: ${report.without2xx.join(', ')}; heap+=${Math.round(report.heapGrowth / 1e6)}MB in ${Math.round((performance.now() - start) / 1000)} s, CPU ${Math.round((process.cpuUsage(cpu).user + process.cpuUsage(cpu).system) / 1e6)} s`,
      );
      expect(report.faults, report.faults.join('\n')).toEqual([]);
      expect(report.unreached).toEqual([]);
      // Of some ten requests to a route it is chance whether one is right: the long form sends enough.
      if (total >= 20_000) expect(report.without2xx.filter((name) => !without2xx.has(name))).toEqual([]);
      expect(report.heapGrowth).toBeLessThan(200e6);
      expect((await server.owner.get('/v1/things?limit=1')).status).toBe(200);
      expect((await server.owner.get('/readyz')).status).toBe(200);
      await server.stop();
    },
  );
});

/** `npm run dearest` writes what single requests cost into bench/RESULTS.md; figures are no test. */
describe.runIf(process.env['FUZZ_DEAREST'])('the dearest requests', () => {
  it('are written down', { timeout: 3_600_000 }, async () => {
    const server = await startServer('embedded', { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '1000000' });
    const count = Number(process.env['FUZZ_DEAREST']);
    const dearest = await findDearest(server, seed, count);
    const rows = dearest.map(
      ({ operation, status, octets, ms }) => `| \`${operation}\` | ${status} | ${octets} | ${ms.toFixed(0)} |`,
    );
    const title = '**The dearest requests.**';
    const section = [
      `${title} \`npm run dearest\`: ${count} requests of the API fuzz, seed ${seed}, one after another, embedded database; the dearest of each`,
      'operation in CPU milliseconds of the whole process, collector, database and client included. Aimed at: none above 200.',
      '',
      '| operation | status | octets sent | CPU ms |',
      '| --- | ---: | ---: | ---: |',
      ...rows,
      '',
    ].join('\n');
    const results = readFileSync('bench/RESULTS.md', 'utf8').split(title)[0]!.trimEnd();
    writeFileSync('bench/RESULTS.md', `${results}\n\n${section}`);
    console.log(section);
    await server.stop();
    expect(dearest.length).toBe(10);
  });
});
