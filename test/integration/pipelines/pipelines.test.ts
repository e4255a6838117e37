import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtInPipelines } from '../../../src/pipeline/built-in.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { startServer, type TestServer } from '../../support/server.js';

const document = (name: string, more: object = {}) => ({
  name,
  match: { topics: ['${account}/${thing.name}/telemetry'] },
  values: { a: '$.a' },
  steps: [{ window: { last: 2 }, emit: ['mean'] }],
  ...more,
});
const message = (a: number, thing = 't1') => ({ thing, topic: `default/${thing}/telemetry`, payload: { a } });

describe.each(databaseKinds)('pipelines on %s', (kind) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  const namesAt = async (path: string) => {
    const { body } = await server.owner.get(path);
    return (body.items as { name: string; activeVersion?: number; builtIn?: true }[]).map(
      ({ name, activeVersion, builtIn }) => `${name} ${activeVersion ?? '-'}${builtIn ? ' built in' : ''}`,
    );
  };

  it('201 for a pipeline; versions never change, one is active, and it is deleted under If-Match', async () => {
    const { owner } = server;
    const made = await owner.post('/v1/pipelines', document('pumps'));
    expect(made.status, made.text).toBe(201);
    expect(made.body).toEqual({ name: 'pumps', version: 1, activeVersion: 1 });
    expect(problemOf(await owner.post('/v1/pipelines', document('pumps')))).toBe('pipeline-exists');
    const next = document('pumps', { name: undefined, steps: [] });
    expect((await owner.post('/v1/pipelines/pumps/versions', next)).body).toEqual({
      name: 'pumps',
      version: 2,
      activeVersion: 1,
    });
    const read = await owner.get('/v1/pipelines/pumps');
    expect(read.body).toMatchObject({
      name: 'pumps',
      activeVersion: 1,
      document: document('pumps'),
      versions: [{ version: 2 }, { version: 1 }],
    });
    expect((await owner.post('/v1/pipelines/pumps/activate', { version: 2 })).body).toEqual({
      name: 'pumps',
      activeVersion: 2,
    });
    expect(problemOf(await owner.post('/v1/pipelines/pumps/activate', { version: 3 }))).toBe('not-found');
    expect((await owner.get('/v1/pipelines/pumps/versions/1')).body).toMatchObject({
      active: false,
      document: document('pumps'),
    });
    expect((await owner.get('/v1/pipelines/pumps/versions?total=true&limit=1')).body).toMatchObject({
      total: 2,
      items: [{ version: 2 }],
    });
    await expect(
      server.database.client.$executeRaw`UPDATE pipeline_versions SET document = '{}' WHERE name = 'pumps'`,
    ).rejects.toThrow();
    expect((await owner.post('/v1/pipelines/pumps/activate', { version: null })).body).toEqual({ name: 'pumps' });
    const stale = { 'if-match': read.headers.get('etag')! };
    expect(problemOf(await owner.send('DELETE', '/v1/pipelines/pumps', undefined, stale))).toBe('precondition-failed');
    const tag = { 'if-match': (await owner.get('/v1/pipelines/pumps')).headers.get('etag')! };
    expect((await owner.send('DELETE', '/v1/pipelines/pumps', undefined, tag)).status).toBe(204);
    expect(problemOf(await owner.get('/v1/pipelines/pumps'))).toBe('not-found');
    const { items } = (await owner.get('/v1/audit?limit=1000')).body as { items: { action: string; target: string }[] };
    const actions = items.filter(({ target }) => target === 'pipeline:pumps').map(({ action }) => action);
    expect(actions.sort()).toEqual([
      'pipeline.activate',
      'pipeline.activate',
      'pipeline.add-version',
      'pipeline.create',
      'pipeline.delete',
    ]);
  });

  it('what is built in is read, listed among the others in order, made one’s own, and there again', async () => {
    const { owner } = server;
    expect(await namesAt('/v1/pipelines')).toEqual(['actuator - built in', 'camera - built in', 'sensor - built in']);
    for (const each of builtInPipelines) {
      const { body } = await owner.get(`/v1/pipelines/${each.name}`);
      expect(body).toMatchObject({ builtIn: true, document: each, versions: [{ version: 1, createdBy: 'system' }] });
      expect(body.activeVersion).toBeUndefined();
    }
    expect(problemOf(await owner.send('DELETE', '/v1/pipelines/sensor'))).toBe('not-found');
    expect((await owner.post('/v1/pipelines/sensor/activate', { version: 1 })).body).toEqual({
      name: 'sensor',
      activeVersion: 1,
    });
    expect((await owner.post('/v1/pipelines', document('camera'))).status).toBe(201);
    expect((await owner.post('/v1/pipelines/actuator/versions', document('actuator'))).body).toEqual({
      name: 'actuator',
      version: 2,
    });
    expect((await owner.post('/v1/pipelines', document('Zoo'))).status).toBe(201);
    const all = ['Zoo 1', 'actuator -', 'camera 1', 'sensor 1'];
    expect(await namesAt('/v1/pipelines')).toEqual(all);
    expect(await namesAt('/v1/pipelines?sort=-name')).toEqual([...all].reverse());
    for (const name of ['Zoo', 'actuator', 'camera'])
      expect((await owner.send('DELETE', `/v1/pipelines/${name}`)).status).toBe(204);
    const seen: string[] = [];
    for (let path = '/v1/pipelines?limit=1'; ;) {
      seen.push(...(await namesAt(path)));
      const { nextCursor } = (await owner.get(path)).body as { nextCursor?: string };
      if (nextCursor === undefined) break;
      path = `/v1/pipelines?limit=1&cursor=${encodeURIComponent(nextCursor)}`;
    }
    expect(seen).toEqual(['actuator - built in', 'camera - built in', 'sensor 1']);
    expect((await owner.get('/v1/pipelines?total=true&namePrefix=c')).body).toMatchObject({
      total: 1,
      items: [{ name: 'camera' }],
    });
    expect((await owner.send('DELETE', '/v1/pipelines/sensor')).status).toBe(204);
  });

  it('many at once make one pipeline, and versions without a gap', async () => {
    const { owner } = server;
    const made = await Promise.all(Array.from({ length: 8 }, () => owner.post('/v1/pipelines', document('race'))));
    expect(made.map(({ status }) => status).sort()).toEqual([201, ...new Array<number>(7).fill(409)]);
    const added = await Promise.all(
      Array.from({ length: 8 }, () => owner.post('/v1/pipelines/sensor/versions', document('sensor'))),
    );
    expect(added.map(({ body }) => body.version as number).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    await owner.send('DELETE', '/v1/pipelines/sensor');
    await owner.send('DELETE', '/v1/pipelines/race');
  });

  it('422 invalid-pipeline with codes and places, and lint says the same', async () => {
    const bad = document('bad', { to: ['https://inside.example/'], steps: [{ call: 'detector' }] });
    const refused = await server.owner.post('/v1/pipelines', bad);
    expect(problemOf(refused)).toBe('invalid-pipeline');
    expect(refused.body.errors).toMatchObject([{ code: 'not-available', at: '/steps/0/call' }]);
    expect((await server.owner.post('/v1/pipelines/lint', bad)).body).toMatchObject({
      ok: false,
      findings: refused.body.errors,
    });
    const named = await server.owner.post('/v1/pipelines', document('bad', { to: ['https://inside.example/'] }));
    expect(named.body.errors).toMatchObject([{ code: 'url', at: '/to/0' }]);
    expect(problemOf(await server.owner.post('/v1/pipelines/sensor/versions', document('other')))).toBe(
      'invalid-pipeline',
    );
    for (const body of [null, [], 'x', 5, { name: {} }])
      expect(problemOf(await server.owner.post('/v1/pipelines', body as object))).toMatch(/^invalid-/);
  });

  it('simulates a saved version, or a document, without any effect', async () => {
    const { owner } = server;
    await owner.post('/v1/pipelines', document('sim'));
    const before = (await owner.get('/v1/pipelines/sim')).text;
    const recorded = {
      messages: [message(1), message(5), message(2, 't2'), { ...message(7), topic: 'default/t2/telemetry' }],
    };
    const saved = await owner.post('/v1/pipelines/sim/simulate', recorded);
    expect(saved.status, saved.text).toBe(200);
    expect(saved.body).toMatchObject({
      published: [
        {
          thing: 't1',
          topic: 'default/t1/telemetry/pipelines/sim',
          occasion: 'each',
          records: [{ values: { 'a.mean': 3 } }],
        },
      ],
      deadLetters: [],
      unmatched: 1,
      counts: { messages: 3, records: 3, published: 1 },
    });
    const draft = await owner.post('/v1/pipelines/simulate', {
      document: document('draft'),
      messages: [{ ...message(1), payload: undefined, payloadBase64: 'ew==' }],
    });
    expect(draft.body).toMatchObject({ published: [], deadLetters: [{ message: 0, why: 'not-decodable' }] });
    expect((await owner.get('/v1/pipelines/sim')).text).toBe(before);
    expect(problemOf(await owner.post('/v1/pipelines/none/simulate', recorded))).toBe('not-found');
    expect(problemOf(await owner.post('/v1/pipelines/simulate', { document: {}, messages: [] }))).toBe(
      'invalid-pipeline',
    );
    expect(
      problemOf(await owner.post('/v1/pipelines/sim/simulate', { messages: [{ ...message(1), payload: undefined }] })),
    ).toBe('invalid-request');
    await owner.send('DELETE', '/v1/pipelines/sim');
  });

  it('bounds a simulation: one at once in an account, its work, and its answer; others are answered meanwhile', async () => {
    const { owner } = server;
    const heavy = document('heavy', { steps: Array.from({ length: 4 }, () => ({ outliers: 'hampel', window: 101 })) });
    const messages = Array.from({ length: 2000 }, (_, n) => message(n));
    const all = Promise.all(
      Array.from({ length: 3 }, () => owner.post('/v1/pipelines/simulate', { document: heavy, messages })),
    );
    const began = performance.now();
    expect((await owner.get('/v1/pipelines')).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(5000);
    const answers = await all;
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    for (const answer of answers) if (answer.status !== 200) expect(problemOf(answer)).toBe('too-many-requests');
    const heavier = document('heavier', {
      steps: Array.from({ length: 30 }, () => ({ outliers: 'hampel', window: 301 })),
    });
    expect(problemOf(await owner.post('/v1/pipelines/simulate', { document: heavier, messages }))).toBe(
      'invalid-request',
    );
    const wide = document('wide', {
      values: Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`v${n}`, '$.a'])),
      steps: [],
    });
    const cut = await owner.post('/v1/pipelines/simulate', { document: wide, messages });
    expect(cut.body).toMatchObject({ truncated: true, counts: { messages: 2000 } });
    expect(cut.text.length).toBeLessThan(2_000_000);
  });

  it('belongs to one account, and needs its permissions', async () => {
    const { owner } = server;
    await owner.post('/v1/pipelines', document('ours'));
    const made = await owner.post('/v1/accounts', { name: 'globex' });
    expect(made.status, made.text).toBe(201);
    const globex = server.as(made.body.ownerKey as string);
    for (const path of ['', '/versions', '/versions/1'])
      expect(problemOf(await globex.get(`/v1/pipelines/ours${path}`))).toBe('not-found');
    expect(problemOf(await globex.post('/v1/pipelines/ours/activate', { version: 1 }))).toBe('not-found');
    expect(problemOf(await globex.send('DELETE', '/v1/pipelines/ours'))).toBe('not-found');
    expect((await globex.get('/v1/pipelines/sensor')).body.builtIn).toBe(true);
    const reader = server.as((await owner.post('/v1/api-keys', { role: 'operator' })).body.key as string);
    expect((await reader.get('/v1/pipelines/ours')).status).toBe(200);
    expect((await reader.post('/v1/pipelines/ours/simulate', { messages: [message(1)] })).status).toBe(200);
    expect(problemOf(await reader.post('/v1/pipelines', document('theirs')))).toBe('forbidden');
    expect(problemOf(await reader.post('/v1/pipelines/ours/activate', { version: null }))).toBe('forbidden');
  });
});
