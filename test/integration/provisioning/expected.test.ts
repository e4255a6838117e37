import { createPublicKey, hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, type Client } from '../../support/client.js';
import { openExpecting, type ExpectingStage } from '../../support/provisioning/expected.js';
import { databaseKinds } from '../../support/databases/databases.js';
import type { EstStage } from '../../support/est/stage.js';
import { enroll, provision } from '../../support/fleet.js';
import { startReceiver } from '../../support/monitoring/receiver.js';
import { newKey } from '../../support/pki/csr.js';

const spkiOf = (key: ReturnType<typeof newKey>): string =>
  hash('sha256', createPublicKey(key).export({ type: 'spki', format: 'der' }));

describe.each(databaseKinds)('expected things on %s', (kind) => {
  let stage: EstStage;
  let owner: Client;
  let token: string;
  let upload: ExpectingStage['upload'];
  let get: ExpectingStage['get'];
  beforeAll(async () => {
    ({ stage, token, upload, get } = await openExpecting(kind));
    owner = stage.server.owner;
  });
  afterAll(() => stage.stop());

  it('keep what a credential may not take away, whoever uploads the same name again', async () => {
    const row = { name: 'kept', type: 'pump', attributes: { line: '4' }, segment: 'floor-1', policies: ['beta'] };
    await upload([row]);
    const clientWith = async (permissions: string[]) =>
      stage.server.as((await owner.post('/v1/api-keys', { permissions })).body.key);
    const lesser = await clientWith(['enrollments:write']);
    const before = await get('kept');
    const { name, type, attributes, segment } = row;
    for (const less of [{ name }, { name, type: 'fan' }, { name, type }]) {
      const { body } = await upload([less], lesser);
      expect(body, JSON.stringify(less)).toMatchObject({ changed: 0, refused: 1, errors: [{ line: 1, name }] });
      expect(body.errors[0].reason).toContain('policies:attach');
    }
    const attaching = await clientWith(['enrollments:write', 'things:write', 'segments:write']);
    expect((await upload([{ name, type, attributes, segment }], attaching)).body.refused).toBe(1);
    expect(await get('kept')).toEqual(before);
    expect((await upload([row], owner)).body).toMatchObject({ unchanged: 1, refused: 0 });
    expect((await upload([{ name, type, attributes, segment }])).body.changed).toBe(1);
    expect((await get('kept')).policies ?? []).toEqual([]);
  });

  it('give an identity to those alone, once, with what their rows say', async () => {
    const answer = await upload([
      { name: 'e-1', type: 'pump', attributes: { site: 'rome', line: '4' }, segment: 'floor-1', policies: ['beta'] },
      { name: 'e-2' },
    ]);
    expect([answer.status, answer.body]).toEqual([
      200,
      { rows: 2, added: 2, changed: 0, unchanged: 0, refused: 0, errors: [] },
    ]);
    const stranger = (await provision(stage.server, token, 'e-9')).answer;
    expect([stranger.status, problemOf(stranger)]).toEqual([403, 'outside-enrollment']);
    expect(stranger.body.detail).toContain('/v1/things/expected');
    const device = await provision(stage.server, token, 'e-1', { thingType: 'pump', attributes: { model: 'x' } });
    expect(device.answer.status, device.answer.text).toBe(201);
    expect((await owner.get('/v1/things/e-1')).body).toMatchObject({
      thingType: 'pump',
      attributes: { site: 'rome', line: '4', model: 'x' },
      segment: 'floor-1',
      policies: ['beta'],
    });
    expect((await provision(stage.server, token, 'e-2')).answer.status).toBe(201);
    expect((await owner.get('/v1/things/e-2')).body).toMatchObject({
      attributes: { site: 'oslo' },
      policies: ['alpha'],
    });
    const { csr } = device;
    const again = await stage.server
      .as(token)
      .post('/v1/provision', { thingName: 'e-1', csr, attributes: { model: 'x' } });
    expect(again.status).toBe(200);
    expect(problemOf((await provision(stage.server, token, 'e-1')).answer)).toBe('thing-exists');
    const { id } = (await owner.get('/v1/things/e-1')).body;
    expect(await get('e-1')).toMatchObject({ status: 'used', thingId: id });
  });

  it('are not used again when their thing is gone; an operator re-enrolls that', async () => {
    await upload([{ name: 'gone' }]);
    expect((await provision(stage.server, token, 'gone')).answer.status).toBe(201);
    await owner.post('/v1/things/gone/revoke', { reason: 'cessationOfOperation' });
    expect(problemOf((await provision(stage.server, token, 'gone')).answer)).toBe('thing-exists');
    await owner.send('DELETE', '/v1/things/gone');
    expect([403, 409]).toContain((await provision(stage.server, token, 'gone')).answer.status);
    const reenroll = (await owner.post('/v1/things/gone/reenroll', {})).body;
    if (reenroll.token) expect((await provision(stage.server, reenroll.token, 'gone')).answer.status).toBe(201);
    expect((await upload([{ name: 'gone' }])).body).toMatchObject({ unchanged: 1 });
    expect((await upload([{ name: 'gone', type: 'pump' }])).body).toMatchObject({ refused: 1 });
  });

  it('are expected with a key of their own', async () => {
    const key = newKey();
    const keySha256 = spkiOf(key)
      .toUpperCase()
      .replaceAll(/(..)(?=.)/g, '$1:');
    expect((await upload([{ name: 'keyed', keySha256 }])).body).toMatchObject({ added: 1 });
    const wrong = (await provision(stage.server, token, 'keyed')).answer;
    expect([wrong.status, wrong.body.detail]).toEqual([403, expect.stringContaining('another key')]);
    const made = await stage.server.as(token).post('/v1/provision', { thingName: 'keyed', keyType: 'ec-p256' });
    expect(made.status).toBe(403);
    expect((await provision(stage.server, token, 'keyed', {}, key)).answer.status).toBe(201);
  });

  it('are expected with a one-time code, which nobody finds by trying', async () => {
    await upload([
      { name: 'coded', code: 'QX7-93-ZZ' },
      { name: 'tried', code: 'QX7-93-ZZ' },
    ]);
    const codes = [undefined, 'QX7-93-ZA', ''].map((code) => (code === undefined ? {} : { code }));
    const statuses: number[] = [];
    for (const extra of codes) statuses.push((await provision(stage.server, token, 'coded', extra)).answer.status);
    expect(statuses).toEqual([403, 401, 400]);
    expect((await provision(stage.server, token, 'coded', { code: 'QX7-93-ZZ' })).answer.status).toBe(201);
    for (let each = 0; each < 10; each++) await provision(stage.server, token, 'tried', { code: `guess-${each}` });
    expect((await provision(stage.server, token, 'tried', { code: 'QX7-93-ZZ' })).answer.status).toBe(403);
    await upload([{ name: 'tried', code: 'another-code' }]);
    expect((await provision(stage.server, token, 'tried', { code: 'another-code' })).answer.status).toBe(201);
    const { rows } = {
      rows: await stage.server.database.client.$queryRawUnsafe<object[]>('SELECT * FROM expected_things'),
    };
    expect(JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? Number(value) : value))).not.toContain(
      'QX7',
    );
  });

  it('are used once, however many come at the same moment', async () => {
    await upload([{ name: 'raced' }]);
    const all = await Promise.all(Array.from({ length: 8 }, () => provision(stage.server, token, 'raced')));
    expect(all.filter(({ answer }) => answer.status === 201)).toHaveLength(1);
  });

  it('are expected by devices that wait for approval, and by those that come by EST', async () => {
    const { token: slow } = await enroll(stage.server, {
      expectedOnly: true,
      approval: 'required',
      policies: ['alpha'],
    });
    expect((await provision(stage.server, slow, 'w-0')).answer.status).toBe(403);
    await upload([
      { name: 'w-1', code: 'code-of-w-1', policies: ['beta'], type: 'valve' },
      { name: 'w-2', code: 'code-of-w-2' },
      { name: 'est-1', type: 'gate' },
    ]);
    expect((await provision(stage.server, slow, 'w-1', { code: 'wrong-code' })).answer.status).toBe(401);
    const { csr, answer } = await provision(stage.server, slow, 'w-1', { code: 'code-of-w-1', thingType: 'valve' });
    expect([answer.status, answer.text]).toEqual([202, expect.any(String)]);
    const path = `/v1/waiting/${answer.body.id}/approve`;
    expect((await owner.post(path, { name: 'w-0' })).status).toBe(403);
    expect((await owner.post(path, { name: 'w-2' })).status).toBe(403);
    expect((await owner.post(path, {})).status).toBe(200);
    const got = await stage.server.as(slow).post('/v1/provision', { thingName: 'w-1', csr, code: 'code-of-w-1' });
    expect(got.status).toBe(201);
    expect((await owner.get('/v1/things/w-1')).body).toMatchObject({ policies: ['beta'], thingType: 'valve' });
    expect(await get('w-1')).toMatchObject({ status: 'used' });
    expect((await stage.ask('simpleenroll', { token, body: stage.request('est-0') })).status).toBe(403);
    expect((await stage.ask('simpleenroll', { token, body: stage.request('est-1') })).status).toBe(200);
    expect((await owner.get('/v1/things/est-1')).body.thingType).toBe('gate');
  });

  it('are told to the check of their enrollment, which narrows what their rows give', async () => {
    const checker = await startReceiver(() => ({ status: 200, body: '{"allow":true,"policies":["beta"]}' }));
    await upload([{ name: 'both', policies: ['alpha', 'beta'], attributes: { line: '9' } }]);
    const { token: checked } = await enroll(stage.server, {
      expectedOnly: true,
      check: { url: checker.url },
      policies: ['alpha'],
    });
    expect((await provision(stage.server, checked, 'neither')).answer.status).toBe(403);
    expect((await provision(stage.server, checked, 'both')).answer.status).toBe(201);
    expect(checker.received.map(({ json }) => [json.thingName, json.policies, json.attributes])).toEqual([
      ['both', ['alpha', 'beta'], { line: '9' }],
    ]);
    expect((await owner.get('/v1/things/both')).body).toMatchObject({ policies: ['beta'], attributes: { line: '9' } });
    await checker.stop();
  });

  it('are nothing that a version without them could pass over', async () => {
    const { id } = await enroll(stage.server, { expectedOnly: true });
    const { client } = stage.server.database;
    await expect(client.$executeRawUnsafe(`UPDATE enrollments SET uses = uses + 1 WHERE id = '${id}'`)).rejects.toThrow(
      'enrollments_vouched',
    );
  });
});
