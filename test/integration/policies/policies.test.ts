import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const reading = (name: string, resources: string[], condition?: object) => ({
  name,
  statements: [{ id: 'read', effect: 'allow', actions: ['read'], resources, ...(condition ? { condition } : {}) }],
});

describe.each(databaseKinds)('policies on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  it('every account starts with sensor, actuator and camera, and versions are written once', async () => {
    const { items } = (await server.owner.get('/v1/policies')).body;
    expect(items).toEqual(['actuator', 'camera', 'sensor'].map((name) => ({ name, activeVersion: 1 })));
    const created = await server.owner.post('/v1/policies', reading('meter', ['endpoint:one']));
    expect([created.status, created.body]).toEqual([201, { name: 'meter', version: 1, activeVersion: 1 }]);
    expect(problemOf(await server.owner.post('/v1/policies', reading('meter', ['endpoint:two'])))).toBe(
      'policy-exists',
    );
    const { name: _, ...nameless } = reading('meter', ['endpoint:two']);
    expect((await server.owner.post('/v1/policies/meter/versions', nameless)).body).toEqual({
      name: 'meter',
      version: 2,
      activeVersion: 1,
    });
    expect(problemOf(await server.owner.post('/v1/policies/meter/versions', reading('other', ['endpoint:two'])))).toBe(
      'invalid-policy',
    );
    expect((await server.owner.get('/v1/policies/meter')).body).toMatchObject({
      activeVersion: 1,
      document: reading('meter', ['endpoint:one']),
      versions: [{ version: 2 }, { version: 1, createdBy: expect.stringMatching(/^key:/) }],
    });
    expect((await server.owner.get('/v1/policies/meter/versions/2')).body).toMatchObject({ version: 2, active: false });
    expect((await server.owner.post('/v1/policies/meter/activate', { version: 2 })).body).toMatchObject({
      activeVersion: 2,
    });
    expect((await server.owner.get('/v1/policies/meter/versions/2')).body.active).toBe(true);
    expect((await server.owner.post('/v1/policies/meter/activate', { version: 3 })).status).toBe(404);
    expect((await server.owner.post('/v1/policies/nothing/activate', { version: 1 })).status).toBe(404);
    const { items: entries } = (await server.owner.get('/v1/audit?target=policy:meter')).body;
    expect(entries.map(({ action }: { action: string }) => action).sort()).toEqual([
      'policy.activate',
      'policy.add-version',
      'policy.create',
    ]);
  });

  it('versions that are added at once get a number each', async () => {
    await server.owner.post('/v1/policies', reading('busy', ['endpoint:one']));
    const added = await Promise.all(
      Array.from({ length: 20 }, () =>
        server.owner.post('/v1/policies/busy/versions', reading('busy', ['endpoint:two'])),
      ),
    );
    expect(added.map(({ body }) => body.version as number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 2),
    );
  });

  it('422 for a document without a meaning or with a danger, naming the statement; lint says the same', async () => {
    for (const [document, message] of [
      [reading('bad', ['topic:a']), /statement read: action read goes with endpoint:/],
      [reading('bad', ['endpoint:${thing.owner}']), /unknown variable/],
      [
        { name: 'bad', statements: [{ id: 'c', effect: 'allow', actions: ['connect'], resources: ['client:*'] }] },
        /statement c: client:\*/,
      ],
      [
        { name: 'bad', statements: [{ id: 'c', effect: 'allow', actions: ['connect'], resources: ['*'] }] },
        /statement c: \* with connect/,
      ],
      [{ name: 'bad' }, /statements/],
      [[], /object/],
      ['"text"', /object/],
    ] as [unknown, RegExp][]) {
      const refused = await server.owner.post('/v1/policies', document);
      expect([refused.status, problemOf(refused)], JSON.stringify(document)).toEqual([422, 'invalid-policy']);
      expect(refused.body.detail).toMatch(message);
      const lint = await server.owner.post('/v1/policies/lint', document);
      expect([lint.status, lint.body.ok]).toEqual([200, false]);
    }
    const fine = await server.owner.post('/v1/policies/lint', reading('fine', ['endpoint:one']));
    expect(fine.body).toEqual({ ok: true, findings: [] });
  });

  it('simulate: imagined and real things, any version, any time, and why each statement did or did not', async () => {
    const { token } = await enroll(server, { policy: 'sensor', attributes: { site: 'kyiv' } });
    await provision(server, token, 'real-1');
    await server.owner.post('/v1/policies', reading('by-site', ['endpoint:${thing.attributes.site}']));
    const window = { timeWindows: [{ from: '06:00', to: '22:00', days: ['sat'], timeZone: 'Europe/Kyiv' }] };
    await server.owner.post(
      '/v1/policies/by-site/versions',
      reading('by-site', ['endpoint:${thing.attributes.site}'], window),
    );
    const simulate = async (policies: unknown, ...requests: object[]) =>
      (await server.owner.post('/v1/policies/simulate', { policies, requests })).body.decisions;
    const read = (name: string, extra: object = {}) => ({
      thing: { name, ...extra },
      action: 'read',
      resource: 'endpoint:kyiv',
    });

    const [real, imagined] = await simulate(
      [{ name: 'by-site' }],
      read('real-1'),
      read('nobody', { attributes: { site: 'berlin' } }),
    );
    expect(real).toMatchObject({ decision: 'allow', reasons: ['read'], policy: 'by-site@1', statement: 'read' });
    expect(imagined).toMatchObject({
      decision: 'deny',
      reasons: ['no-matching-statement'],
      statements: [{ policy: 'by-site@1', statement: 'read', effect: 'allow', why: 'other-resource' }],
    });
    const edge = '2026-11-21T19:59:58Z';
    const [inside, after] = await simulate(
      [{ name: 'by-site', version: 2 }],
      { ...read('real-1'), at: edge },
      { ...read('real-1'), at: '2026-11-21T20:00:00Z' },
    );
    expect(inside).toMatchObject({ decision: 'allow', validUntil: '2026-11-21T20:00:00Z' });
    expect(after).toMatchObject({
      decision: 'deny',
      reasons: ['outside-time-window'],
      statements: [{ why: 'outside-time-window' }],
    });

    const denying = {
      name: 'd',
      statements: [
        { id: 'no', effect: 'deny', actions: ['*'], resources: ['*'], condition: { sourceCidrs: ['10.0.0.0/8'] } },
      ],
    };
    const [denied, allowed] = await simulate([{ name: 'by-site', version: 1 }, denying], read('real-1'), {
      ...read('real-1'),
      context: { sourceIp: '192.0.2.1' },
    });
    expect(denied).toMatchObject({
      decision: 'deny',
      reasons: ['no'],
      policy: 'd@0',
      statements: [{ why: 'holds' }, { why: 'holds' }],
    });
    expect(allowed).toMatchObject({
      decision: 'allow',
      statements: [{ why: 'holds' }, { why: 'condition sourceCidrs' }],
    });

    const [own] = await simulate(undefined, {
      thing: { name: 'real-1' },
      action: 'publish',
      resource: 'topic:default/real-1/telemetry/x',
    });
    expect(own).toMatchObject({ decision: 'allow', policy: 'sensor@1' });
    const send = (policies: unknown) => server.owner.post('/v1/policies/simulate', { policies, requests: [read('x')] });
    expect(problemOf(await send([{ name: 'nothing' }]))).toBe('unknown-policy');
    expect(problemOf(await send([{ name: 'by-site', version: 9 }]))).toBe('unknown-policy');
    expect(problemOf(await send([reading('bad', ['topic:a'])]))).toBe('invalid-policy');
  });

  it('a dry run says which things and which recent decisions would change, and changes nothing', async () => {
    await server.owner.post('/v1/policies', reading('radius', ['endpoint:one', 'endpoint:two']));
    const { token } = await enroll(server, { policy: 'radius' });
    for (const name of ['r-1', 'r-2', 'r-3']) await provision(server, token, name);
    const ask = (thingName: string, resource: string) =>
      server.owner.post('/v1/authorize', { principal: { thingName }, action: 'read', resource });
    for (const [name, resource] of [
      ['r-1', 'endpoint:one'],
      ['r-1', 'endpoint:two'],
      ['r-2', 'endpoint:three'],
    ] as const)
      await ask(name, resource);
    await server.services.chores.run('write-decisions');
    await server.owner.post('/v1/policies/radius/versions', reading('radius', ['endpoint:two', 'endpoint:three']));
    const { body } = await server.owner.post('/v1/policies/radius/activate', { version: 2, dryRun: true });
    expect(body).toMatchObject({ name: 'radius', activeVersion: 1, dryRun: true });
    const { decisions, things } = body.blastRadius;
    expect(decisions).toMatchObject({ examined: 3, changed: 2 });
    expect(decisions.examples).toMatchObject([
      {
        thingName: 'r-2',
        resource: 'endpoint:three',
        before: { decision: 'deny' },
        after: { decision: 'allow', reasons: ['read'] },
      },
      {
        thingName: 'r-1',
        resource: 'endpoint:one',
        before: { decision: 'allow' },
        after: { decision: 'deny', reasons: ['no-matching-statement'] },
      },
    ]);
    expect(things).toMatchObject({ carrying: 3, examined: 3, changed: 3 });
    expect(things.examples[0]).toMatchObject({
      thingName: 'r-1',
      changes: [
        { action: 'read', resource: 'endpoint:one', before: { decision: 'allow' }, after: { decision: 'deny' } },
        { action: 'read', resource: 'endpoint:three', before: { decision: 'deny' }, after: { decision: 'allow' } },
      ],
    });
    expect((await ask('r-1', 'endpoint:one')).body.decision).toBe('allow');
    expect((await server.owner.get('/v1/policies/radius')).body.activeVersion).toBe(1);
  });
});
