import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, type Client } from '../../support/client.js';
import { linesOf, openExpecting, type ExpectingStage } from '../../support/provisioning/expected.js';
import { databaseKinds } from '../../support/databases/databases.js';
import type { EstStage } from '../../support/est/stage.js';
import { enroll, provision } from '../../support/fleet.js';
import { runShell } from '../../support/shell.js';

const ndjson = { 'content-type': 'application/x-ndjson' };
const csv = { 'content-type': 'text/csv' };
describe.each(databaseKinds)('uploads and lists of expected things on %s', (kind) => {
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

  it('come as CSV too, packed or not, and report each bad row with its line', async () => {
    const text = [
      '\uFEFFname,type,attributes.site,attributes,segment,policies,keySha256,code',
      'c-1,pump,oslo,"{""line"":""4""}",floor-1,alpha;beta,,',
      '',
      'c-2,,,,,,,',
      'c 3,,,,,,,',
      '"c-4","pump","say ""hi"", all",,,,,',
      'c-5,,,,nowhere,,,',
      'c-6,,,,,nothing,,',
      'c-7,"pump,,,,,,',
      'c-8,pump',
      'c-9,,,"{",,,,',
      'c-10,,,,,,abc,',
      'c-11,,,,,,,123',
      `c-12,,${'x'.repeat(40_000)},,,,,`,
      'c-13,,,,,,,long-enough',
    ].join('\r\n');
    const answer = await owner.send('POST', '/v1/things/expected', gzipSync(text), {
      ...csv,
      'content-encoding': 'gzip',
    });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body).toMatchObject({ rows: 13, added: 4, refused: 9 });
    expect(answer.body.errors.map(({ line }: { line: number }) => line).sort((a: number, b: number) => a - b)).toEqual([
      5, 7, 8, 9, 10, 11, 12, 13, 14,
    ]);
    expect(answer.body.errors.find(({ line }: { line: number }) => line === 7)).toEqual({
      line: 7,
      name: 'c-5',
      reason: 'there is no segment nowhere',
    });
    expect(await get('c-1')).toMatchObject({
      type: 'pump',
      attributes: { site: 'oslo', line: '4' },
      segment: 'floor-1',
      policies: ['alpha', 'beta'],
      hasCode: false,
    });
    expect((await get('c-4')).attributes).toEqual({ site: 'say "hi", all' });
    expect(await get('c-13')).toMatchObject({ hasCode: true });
    expect((await owner.get('/v1/things/expected?limit=1000')).text).not.toContain('long-enough');
    const same = await owner.send('POST', '/v1/things/expected', text, csv);
    expect(same.body).toMatchObject({ rows: 13, added: 0, changed: 0, unchanged: 4, refused: 9 });
  });

  it.each([
    ['name,colour', 'colour'],
    ['type', 'name is missing'],
    ['name,name', 'twice'],
    ['name,attributes.1x', 'attributes.1x'],
    ['"name', 'does not end'],
  ])('400 for the columns %s', async (header, why) => {
    const answer = await owner.send('POST', '/v1/things/expected', `${header}\nx`, csv);
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringContaining(why)]);
  });

  it('tell how far they are, line by line, to who asks for lines', async () => {
    const rows: object[] = Array.from({ length: 2500 }, (_, n) => ({ name: `l-${n}` }));
    rows[1500] = { name: 'l 1500' };
    const accept = { ...ndjson, accept: 'application/x-ndjson' };
    const { status, text } = await owner.send('POST', '/v1/things/expected', linesOf(rows), accept);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([status, lines[0]]).toEqual([200, { progress: expect.objectContaining({ rows: 1000, added: 1000 }) }]);
    expect(lines.filter(({ bad }) => bad)).toEqual([{ bad: expect.objectContaining({ line: 1501 }) }]);
    expect(lines.at(-1)).toEqual({ report: { rows: 2500, added: 2499, changed: 0, unchanged: 0, refused: 1 } });
  });

  it('change when they are uploaded otherwise, the later of two rows of one upload too', async () => {
    await upload([{ name: 'twice', type: 'a' }]);
    const { body } = await upload([
      { name: 'twice', type: 'b' },
      { name: 'twice', type: 'c' },
      { name: 'twice', type: 'c' },
    ]);
    expect(body).toMatchObject({ rows: 3, changed: 2, unchanged: 1 });
    expect((await get('twice')).type).toBe('c');
  });

  it('need the permissions of what their rows give', async () => {
    const keyWith = async (...permissions: string[]) =>
      stage.server.as((await owner.post('/v1/api-keys', { permissions })).body.key as string);
    const poor = await keyWith('enrollments:write');
    const reader = await keyWith('enrollments:read');
    for (const [n, more] of [{ attributes: { a: 'b' } }, { segment: 'floor-1' }, { policies: ['alpha'] }].entries()) {
      const refused = await upload([{ name: `p-${n}`, ...more }], poor);
      expect([refused.status, problemOf(refused)]).toEqual([403, 'forbidden']);
      expect((await owner.get(`/v1/things/expected/p-${n}`)).status).toBe(404);
    }
    expect((await upload([{ name: 'p-9', type: 'pump' }], poor)).status).toBe(200);
    expect((await upload([{ name: 'p-8' }], reader)).status).toBe(403);
    expect((await reader.send('DELETE', '/v1/things/expected/p-9')).status).toBe(403);
    const rich = await keyWith('enrollments:write', 'things:write', 'segments:write', 'policies:attach');
    expect(
      (await upload([{ name: 'p-0', attributes: { a: 'b' }, segment: 'floor-1', policies: ['alpha'] }], rich)).status,
    ).toBe(200);
  });

  it('are listed, found and deleted, in their own account alone', async () => {
    await upload([
      { name: 'list-b', type: 'valve', segment: 'floor-1' },
      { name: 'list-a' },
      { name: 'list-c', segment: 'floor-1' },
    ]);
    const names = async (query: string) =>
      (await owner.get(`/v1/things/expected?namePrefix=list-&${query}`)).body.items.map(
        ({ name }: { name: string }) => name,
      );
    expect(await names('')).toEqual(['list-a', 'list-b', 'list-c']);
    expect(await names('sort=-name&segment=floor-1')).toEqual(['list-c', 'list-b']);
    expect(await names('type=valve')).toEqual(['list-b']);
    expect(await names('status=used')).toEqual([]);
    const first = (await owner.get('/v1/things/expected?namePrefix=list-&limit=2&total=true')).body;
    expect([first.items.length, first.total]).toEqual([2, 3]);
    expect(await names(`limit=2&cursor=${first.nextCursor}`)).toEqual(['list-c']);
    const { ownerKey } = (await owner.post('/v1/accounts', { name: `other-${kind.slice(0, 3)}` })).body;
    const other = stage.server.as(ownerKey as string);
    expect((await other.get('/v1/things/expected')).body.items).toEqual([]);
    expect((await other.send('DELETE', '/v1/things/expected/list-a')).status).toBe(404);
    const foreign = await enroll({ owner: other }, { expectedOnly: true });
    expect((await provision(stage.server, foreign.token, 'list-a')).answer.status).toBe(403);
    expect((await owner.send('DELETE', '/v1/things/expected/list-a')).status).toBe(204);
    expect((await owner.send('DELETE', '/v1/things/expected/list-a')).status).toBe(404);
    expect((await provision(stage.server, token, 'list-a')).answer.status).toBe(403);
  });

  it('refuse other bodies, and an Idempotency-Key', async () => {
    const json = await owner.post('/v1/things/expected', { name: 'x' });
    expect([json.status, problemOf(json)]).toEqual([415, 'unsupported-media-type']);
    const keyed = await owner.send('POST', '/v1/things/expected', '{}\n', {
      ...ndjson,
      'idempotency-key': 'k'.repeat(30),
    });
    expect(keyed.status).toBe(400);
    const lines = [
      '[]',
      'null',
      '7',
      '"x"',
      '{"name":"z","more":1}',
      '{"name":"z","attributes":{"a":"\\ud800"}}',
      '{',
      '{"name":null}',
      '\u0000',
    ];
    const { body } = await owner.send('POST', '/v1/things/expected', lines.join('\n'), ndjson);
    expect(body).toMatchObject({ rows: lines.length, refused: lines.length });
    const octets = Buffer.concat([Buffer.from('{"name":"y"}\n'), Buffer.from([0xff, 0xfe, 10])]);
    expect((await owner.send('POST', '/v1/things/expected', octets, ndjson)).body).toMatchObject({
      rows: 2,
      added: 1,
      refused: 1,
    });
  });

  it('come and are provisioned by the commands of docs/admission.md, as they stand', async () => {
    const paper = readFileSync('docs/admission.md', 'utf8');
    const commands = [...paper.matchAll(/<!-- test: expected \w+ -->\n\n```sh\n([^]*?)```/g)].map(
      ([, block]) => block!,
    );
    const [, shown] = /```json\n(\{ "rows"[^\n]*)\n```/.exec(paper)!;
    const folder = mkdtempSync(join(tmpdir(), 'thingward-expected-'));
    const env = { THINGWARD_URL: stage.server.url, THINGWARD_OWNER_KEY: stage.server.ownerKey };
    const { code, output } = await runShell(commands.join('\necho\n'), folder, env);
    rmSync(folder, { recursive: true });
    expect([commands.length, code], output).toEqual([2, 0]);
    const [report, site] = output.trim().split('\n');
    expect(JSON.parse(report!)).toEqual(JSON.parse(shown!));
    expect(site).toBe('"site":"oslo"');
  });

  it('name a bounded number of bad rows, and count them all', async () => {
    const { body } = await owner.send('POST', '/v1/things/expected', 'x\n'.repeat(3000), ndjson);
    expect([body.refused, body.errors.length]).toEqual([3000, 1000]);
  });
});
