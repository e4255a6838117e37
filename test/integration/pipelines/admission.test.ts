import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { startServer, type TestServer } from '../../support/server.js';

const documentOf = (name: string, more: object = {}) => ({
  name,
  match: { types: ['pump'], topics: ['${account}/+/telemetry'] },
  values: { t: '$.t' },
  steps: [{ outliers: 'hampel', window: 301 }],
  maxThings: 100,
  ...more,
});

type Site = { name: string; id: string; cpu: { present: number; planned: number }; memory: { planned: number } };

describe.each(databaseKinds)('activation where there is room, on %s', (kind) => {
  let server: TestServer;
  let edgeKey: string;
  let names = 0;

  beforeAll(async () => {
    server = await startServer(kind);
    server.freeze();
    edgeKey = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
  });
  afterAll(() => server.stop());

  const register = async (): Promise<string> =>
    (await server.as(edgeKey).post('/v1/proxies', { name: `site-${names++}` })).body.id;
  /** An edge of one processor and a gigabyte whose pumps say a thousand messages a second. */
  const report = async (id: string, load: object = {}, capacity: object = {}): Promise<void> => {
    server.advance(2);
    const answer = await server.as(edgeKey).post(`/v1/proxies/${id}/site`, {
      capacity: { cores: 1, memory: 1e9, disk: 1e10, ...capacity },
      load: { cpu: 0.5, memory: 3e8, disk: 1e9, bandwidth: 0, messages: 1000, sessions: 10, ...load },
    });
    expect(answer.status, answer.text).toBe(204);
  };
  const activate = (name: string, version: number | null, more: object = {}) =>
    server.owner.post(`/v1/pipelines/${name}/activate`, { version, ...more });
  const audited = async (name: string): Promise<string[]> => {
    const { items } = (await server.owner.get('/v1/audit?limit=100')).body as {
      items: { action: string; target: string }[];
    };
    return items.filter(({ target }) => target === `pipeline:${name}`).map(({ action }) => action);
  };
  /** A pipeline with version 1, and none active. */
  const make = async (name: string, more: object = {}): Promise<void> => {
    const made = await server.owner.post('/v1/pipelines', documentOf(name, more));
    expect(made.status, made.text).toBe(201);
    expect((await activate(name, null)).status).toBe(200);
  };

  beforeEach(async () => {
    // What was reported before is silent, and what was made is gone.
    server.advance(3600);
    for (const { name, builtIn } of (await server.owner.get('/v1/pipelines')).body.items as {
      name: string;
      builtIn?: true;
    }[])
      if (!builtIn) await server.owner.send('DELETE', `/v1/pipelines/${name}`);
  });

  it('409 site-capacity names the site without room, and nothing is changed; dryRun says the same and 200', async () => {
    await make('pumps');
    const [roomy, full] = [await register(), await register()];
    await report(roomy);
    await report(full, { cpu: 0.88 });
    const dry = await activate('pumps', 1, { dryRun: true });
    expect(dry.status, dry.text).toBe(200);
    expect(dry.body).toMatchObject({
      name: 'pumps',
      dryRun: true,
      fits: false,
      counts: { sites: 2, refusing: 1 },
      sites: [
        { id: full, fits: false, over: ['cpu'], cpu: { present: 0.88 } },
        { id: roomy, fits: true, over: [], cpu: { present: 0.5 } },
      ],
    });
    const refused = await activate('pumps', 1);
    expect([refused.status, problemOf(refused)]).toEqual([409, 'site-capacity']);
    const [site] = refused.body.sites as Site[];
    expect(refused.body).toMatchObject({ count: 1, sites: [dry.body.sites[0]] });
    expect(site!.cpu.planned).toBeGreaterThan(0.9);
    expect(refused.body.detail).toMatch(/1 of 2 sites .*site-\d+ 9\d % of its CPU \(88 % now\).*dryRun/);
    expect((await server.owner.get('/v1/pipelines/pumps')).body).not.toHaveProperty('activeVersion');
    expect(await audited('pumps')).not.toContain('pipeline.activate-refused');
    await report(full, { cpu: 0.5 });
    expect((await activate('pumps', 1)).body).toEqual({ name: 'pumps', activeVersion: 1 });
  });

  it('a new pipeline is refused as a whole, and not saved; without room in memory too', async () => {
    const id = await register();
    await report(id, { memory: 8.9e8 });
    const refused = await server.owner.post('/v1/pipelines', documentOf('large', { maxThings: 100_000 }));
    expect([refused.status, problemOf(refused)]).toEqual([409, 'site-capacity']);
    expect(refused.body.sites).toMatchObject([{ id, over: ['memory'] }]);
    expect((await server.owner.get('/v1/pipelines/large')).status).toBe(404);
    expect((await server.owner.post('/v1/pipelines', documentOf('large', { maxThings: 1 }))).status).toBe(201);
  });

  it('what is built in is refused likewise', async () => {
    await report(await register(), { cpu: 0.95 });
    expect(problemOf(await activate('sensor', 1))).toBe('site-capacity');
    expect((await server.owner.get('/v1/pipelines/sensor')).body).toMatchObject({ builtIn: true });
  });

  it('a full site lets in a lighter version, and none; a heavier one not', async () => {
    await make('pumps');
    await server.owner.post('/v1/pipelines/pumps/versions', documentOf('pumps', { steps: [] }));
    const id = await register();
    await report(id);
    expect((await activate('pumps', 1)).status).toBe(200);
    await report(id, {
      cpu: 1,
      memory: 1e9,
      pipelines: [{ name: 'pumps', version: 1, messages: 1000, cpu: 0.3, things: 9 }],
    });
    expect((await activate('pumps', 2)).status).toBe(200);
    expect(problemOf(await activate('pumps', 1))).toBe('site-capacity');
    expect((await activate('pumps', null)).status).toBe(200);
  });

  it('silent sites are unknown and refuse nothing; edges without pipelines are no sites of theirs', async () => {
    await make('pumps');
    const [silent, none] = [await register(), await register()];
    await report(silent, { cpu: 1 });
    server.advance(31);
    await report(none, { cpu: 1 }, { pipelines: false });
    const { body } = await activate('pumps', 1, { dryRun: true });
    expect(body).toMatchObject({ fits: true, sites: [], counts: { sites: 0, refusing: 0 } });
    expect(body.unknown).toContain((await server.owner.get(`/v1/sites/${silent}`)).body.name);
    expect(body.unknown).toHaveLength(Math.min(100, body.counts.unknown));
    expect((await activate('pumps', 1)).status).toBe(200);
  });

  it('of three activations at once, for which there is room once, two are refused', async () => {
    const rounds = 5;
    for (let round = 0; round < rounds; round++) {
      await Promise.all(['a', 'b', 'c'].map((end) => make(`race-${round}-${end}`)));
      const id = await register();
      await report(id, { cpu: 0.83, messages: 1000 });
      const answers = await Promise.all(['a', 'b', 'c'].map((end) => activate(`race-${round}-${end}`, 1)));
      expect(answers.map(({ status }) => status).sort(), answers.map(({ text }) => text).join()).toEqual([
        200, 409, 409,
      ]);
      server.advance(3600);
      await Promise.all(['a', 'b', 'c'].map((end) => activate(`race-${round}-${end}`, null)));
    }
  });

  it('sites are shown to whoever may read them alone', async () => {
    await make('pumps');
    await report(await register(), { cpu: 0.95 });
    const made = await server.owner.post('/v1/api-keys', { permissions: ['pipelines:write'] });
    const writer = server.as(made.body.key as string);
    expect((await writer.post('/v1/pipelines/pumps/activate', { version: 1, dryRun: true })).status).toBe(403);
    const refused = await writer.post('/v1/pipelines/pumps/activate', { version: 1 });
    expect([problemOf(refused), refused.body.count, refused.body.sites]).toEqual(['site-capacity', 1, undefined]);
    expect(refused.text).not.toMatch(/site-\d/);
  });

  it('sites of another account count for nothing', async () => {
    await report(await register(), { cpu: 1 });
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `roomy-${kind}` })).body as {
      ownerKey: string;
    };
    const made = await server.as(ownerKey).post('/v1/pipelines', documentOf('pumps'));
    expect(made.status, made.text).toBe(201);
  });

  it('many sites: the refusal names ten, dryRun a hundred', async () => {
    await make('pumps');
    for (let nth = 0; nth < 105; nth++) await report(await register(), { cpu: 0.95 }, { cores: 1 });
    // Each report moved the clock: those of the first seconds are silent by now.
    const dry = (await activate('pumps', 1, { dryRun: true })).body;
    expect(dry.counts.sites + dry.counts.unknown).toBeGreaterThanOrEqual(105);
    expect(dry.unknown).toHaveLength(Math.min(100, dry.counts.unknown));
    expect((await activate('pumps', 1)).body.sites).toHaveLength(10);
  });
});
