import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { zoneDataVersion, zoneNames } from '../../../src/policy/time/zone.js';
import { policyLimits } from '../../../src/policy/limits.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const many = <Item>(count: number, of: (index: number) => Item) =>
  Array.from({ length: count }, (_, index) => of(index));
const everyDay = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** A gate that opens at some hours. */
const gate = (from: string, to: string, days = everyDay, timeZone = 'Europe/Berlin') => ({
  name: 'gate',
  statements: [
    {
      id: 'open',
      effect: 'allow',
      actions: ['open'],
      resources: ['endpoint:gate'],
      condition: { timeWindows: [{ from, to, days, timeZone }] },
    },
  ],
});

const heavy = (name: string, weight: number) => ({
  name,
  statements: many(Math.ceil(weight / 1000), (n) => ({
    id: `s${n}`,
    effect: 'deny',
    actions: ['publish'],
    resources: many(10, (m) => `topic:${many(98, () => 'x').join('/')}/${n}-${m}`),
  })),
});

describe('the limits of policies', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer('embedded');
  });
  afterAll(() => server.stop());

  const post = (path: string, body: unknown) => server.owner.post(path, body);
  const simulate = (body: object) => post('/v1/policies/simulate', body);
  const ask = { thing: { name: 'g' }, action: 'open', resource: 'endpoint:gate' };

  it('one simulation of an account at a time; others are answered meanwhile, and so is the next', async () => {
    const body = { policies: [heavy('one', 15_000), heavy('two', 15_000)], requests: many(60, () => ask) };
    const answers = await Promise.all(many(4, () => simulate(body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(problemOf(refused)).toBe('too-many-requests');
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await simulate({ policies: [gate('06:00', '22:00')], requests: [ask] })).body).toMatchObject({
      zoneData: zoneDataVersion(),
      decisions: [{}],
    });
    expect((await server.owner.get('/readyz')).body).toEqual({ status: 'ok', zoneData: zoneDataVersion() });
  });

  it('400 for a simulation that names a policy twice, or is more than is done at once, and says what to send less of', async () => {
    for (const [body, detail] of [
      [{ policies: [{ name: 'sensor' }, { name: 'sensor' }], requests: [ask] }, /sensor is named twice/],
      [{ policies: [gate('06:00', '22:00'), { name: 'gate' }], requests: [ask] }, /gate is named twice/],
      [{ policies: many(4, (n) => heavy(`h${n}`, 15_000)), requests: [ask] }, /more than the limit of 50000/],
      [{ policies: [heavy('h', 15_000)], requests: many(200, () => ask) }, /more than 2000000/],
      [{ policies: [heavy('h', 12_000)], requests: many(1000, () => ask) }, /send fewer requests/],
    ] as [object, RegExp][]) {
      const refused = await simulate(body);
      expect([refused.status, problemOf(refused)]).toEqual([400, 'invalid-request']);
      expect(refused.body.detail).toMatch(detail);
    }
  });

  it('422 for windows in more zones than anybody has, saved or simulated', async () => {
    const zones = zoneNames();
    const document = {
      name: 'zones',
      statements: many(300, (n) => ({
        ...gate('06:00', '22:00', everyDay, zones[n]).statements[0],
        id: `s${n}`,
      })),
    };
    const saved = await post('/v1/policies', document);
    expect([saved.status, problemOf(saved)]).toEqual([422, 'invalid-policy']);
    expect(saved.body.detail).toMatch(/300 time windows, more than 256.*300 time zones, more than 32/);
    expect(problemOf(await simulate({ policies: [document], requests: [ask] }))).toBe('invalid-policy');
  });

  it('422 for a member that is there twice, wherever a document is read', async () => {
    const twice = JSON.stringify(gate('06:00', '22:00')).replace('"effect":', '"effect":"deny","effect":');
    const send = (path: string, body: string) =>
      fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.ownerKey}`, 'content-type': 'application/json' },
        body,
      });
    for (const [path, body] of [
      ['/v1/policies', twice],
      ['/v1/policies/lint', twice],
      ['/v1/policies/sensor/versions', twice],
      ['/v1/policies/simulate', `{"policies":[${twice}],"requests":[]}`],
    ] as const) {
      const answer = await send(path, body);
      expect([path, answer.status]).toEqual([path, 422]);
      expect(((await answer.json()) as { detail: string }).detail).toMatch(/one object has the member effect twice/);
    }
  });

  it('lint answers a megabyte in a few lines', async () => {
    const body = {
      name: 'p',
      statements: many(900, (n) => ({
        id: `s${n}`,
        effect: 'allow',
        actions: ['publish'],
        resources: [`topic:+/${'y'.repeat(900)}`],
      })),
    };
    const lint = await post('/v1/policies/lint', body);
    expect(lint.status).toBe(200);
    expect(JSON.stringify(lint.body).length).toBeLessThan(60_000);
    const refused = await post('/v1/policies', {
      ...body,
      statements: body.statements.map((each) => ({ ...each, effect: 'no' })),
    });
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body).length).toBeLessThan(60_000);
  });

  it('a dry run in the afternoon finds the gate that would stand open at night, and on what instant', async () => {
    await post('/v1/policies', gate('06:00', '22:00'));
    const { token } = await enroll(server, { policy: 'gate' });
    for (const name of ['g-1', 'g-2']) await provision(server, token, name);
    const dryRun = async (document: object) => {
      const { version } = (await post('/v1/policies/gate/versions', document)).body;
      return (await post('/v1/policies/gate/activate', { version, dryRun: true })).body.blastRadius.things;
    };
    const wide = await dryRun(gate('00:00', '24:00'));
    expect(wide).toMatchObject({ carrying: 2, examined: 2, changed: 2 });
    expect(wide.examples[0]).toMatchObject({
      thingName: 'g-1',
      changes: [{ action: 'open', resource: 'endpoint:gate' }],
    });
    const { at, before, after } = wide.examples[0].changes[0];
    const local = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', timeStyle: 'short' }).format(
      Date.parse(at),
    );
    expect(local >= '22:00' || local < '06:00').toBe(true);
    expect([before.decision, after.decision]).toEqual(['deny', 'allow']);
    // One minute of one day of the week, and nothing else.
    const minute = await dryRun({
      ...gate('06:00', '22:00'),
      statements: [
        ...gate('06:00', '22:00').statements,
        { ...gate('15:17', '15:18', ['wed'], 'America/Vancouver').statements[0], id: 'test-run' },
      ],
    });
    expect(minute).toMatchObject({ changed: 2 });
    expect(minute.examples[0].changes[0].after).toEqual({ decision: 'allow', reasons: ['test-run'] });
    expect(await dryRun(gate('06:00', '22:00'))).toMatchObject({ examined: 2, changed: 0 });
  });

  it('429 when the active policies of an account would be more than are kept ready; lighter ones always pass', async () => {
    for (let n = 0; n < 12; n++) expect((await post('/v1/policies', heavy(`big-${n}`, 16_000))).status).toBe(201);
    const refused = await post('/v1/policies', heavy('big-12', 16_000));
    expect([refused.status, problemOf(refused)]).toEqual([429, 'too-many-requests']);
    expect((await post('/v1/policies/big-0/versions', heavy('big-0', 1000))).status).toBe(201);
    expect((await post('/v1/policies/big-0/activate', { version: 2 })).status).toBe(200);
    expect((await post('/v1/policies', heavy('big-12', 12_000))).status).toBe(201);
  });

  it('a device with more policies than it can read is told which they are', async () => {
    const { token } = await enroll(server, { policies: ['sensor', 'big-1', 'big-2', 'camera'] });
    const { body } = (await provision(server, token, 'laden-1')).answer;
    expect(body.policies.map(({ name, omitted }: { name: string; omitted?: true }) => [name, omitted])).toEqual([
      ['sensor', undefined],
      ['big-1', undefined],
      ['big-2', true],
      ['camera', true],
    ]);
    expect(body.policies[0].statements.length).toBeGreaterThan(2);
  });

  it('GET of a policy shows the newest hundred versions; all are listed in pages', async () => {
    await post('/v1/policies', { ...gate('06:00', '22:00'), name: 'often' });
    for (let n = 0; n < 104; n++)
      await post('/v1/policies/often/versions', { ...gate('06:00', '22:00'), name: 'often' });
    const { versions } = (await server.owner.get('/v1/policies/often')).body;
    expect(versions.map(({ version }: { version: number }) => version)).toEqual(many(100, (n) => 105 - n));
    const listed: number[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const { body } = await server.owner.get(`/v1/policies/often/versions?limit=40${cursor && `&cursor=${cursor}`}`);
      listed.push(...body.items.map(({ version }: { version: number }) => version));
      cursor = body.nextCursor as string | undefined;
    }
    expect(listed).toEqual(many(105, (n) => 105 - n));
    expect((await server.owner.get('/v1/policies/nothing/versions')).status).toBe(404);
  });
});

describe.each(databaseKinds)('policies that are saved at the same moment on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  it('stay together within what an account may have ready, and leave no place taken', async () => {
    const answers = await Promise.all(many(40, (n) => server.owner.post('/v1/policies', heavy(`many-${n}`, 15_000))));
    const refused = answers.filter(({ status }) => status !== 201);
    expect(new Set(refused.map(problemOf))).toEqual(new Set(['too-many-requests']));
    const { weight } = server.services.authorize.held('default', '');
    expect(weight).toBeLessThanOrEqual(policyLimits.accountWeight);
    expect(policyLimits.accountWeight - weight).toBeLessThan(15_100);

    // One is active in the light version of each name: switching all to the heavy one at once goes no further either.
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'switching' })).body;
    const owner = server.as(ownerKey as string);
    const names = many(20, (n) => `switch-${n}`);
    for (const name of names) {
      await owner.post('/v1/policies', heavy(name, 1000));
      await owner.post(`/v1/policies/${name}/versions`, heavy(name, 15_000));
    }
    const activate = (name: string) => owner.post(`/v1/policies/${name}/activate`, { version: 2 });
    const switched = await Promise.all(names.map(activate));
    expect(switched.filter(({ status }) => status === 200).length).toBeGreaterThan(8);
    expect(server.services.authorize.held('switching', '').weight).toBeLessThanOrEqual(policyLimits.accountWeight);
    const light = names.filter((_, n) => switched[n]!.status !== 200).map((name) => `/v1/policies/${name}/activate`);
    for (const path of light) expect((await owner.post(path, { version: 1 })).status).toBe(200);
  });
});
