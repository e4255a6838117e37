import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCli } from '../../support/cli/run.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-campaigns-'));
let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startServer('embedded');
  env = { THINGWARD_URL: server.url, THINGWARD_API_KEY: server.ownerKey };
  const { token } = await enroll(server, { thingType: 'pump' });
  for (const name of ['pump-1', 'pump-2', 'pump-3']) await provision(server, token, name);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => runCli(args, { env, cwd: folder });
const turn = () => server.services.chores.run('run-campaigns');
const newest = async () => (await server.owner.get('/v1/campaigns?limit=1')).body.items[0];

it('groups are made and changed from files, with the difference first, and deleted', async () => {
  writeFileSync(join(folder, 'pumps.yaml'), 'name: pumps\nquery: type = pump\n');
  expect(await run('groups', 'apply', '-f', 'pumps.yaml', '--dry-run')).toMatchObject({
    code: 1,
    stdout: 'create group pumps\n  + name: "pumps"\n  + query: "type = pump"\n',
  });
  expect((await server.owner.get('/v1/groups/pumps')).status).toBe(404);
  expect((await run('groups', 'apply', '-f', 'pumps.yaml')).code).toBe(2);
  expect((await run('groups', 'apply', '-f', 'pumps.yaml', '--yes')).code).toBe(0);
  expect(await run('groups', 'apply', '-f', 'pumps.yaml', '--dry-run')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('nothing to change'),
  });
  writeFileSync(join(folder, 'pumps.yaml'), 'name: pumps\nquery: type = pump and\n');
  const broken = await run('groups', 'apply', '-f', 'pumps.yaml', '--yes');
  expect(broken.code).toBe(3);
  expect((await server.owner.get('/v1/groups/pumps')).body.query).toBe('type = pump');
  expect(await run('groups', 'delete', 'pumps')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  expect((await run('groups', 'delete', 'nobody', '--yes')).code).toBe(3);
  expect((await run('groups', 'list')).stdout).toMatch(/^pumps +type = pump/m);
});

it('a campaign shows what it would take, asks, begins, and is followed to its end', async () => {
  const dry = await run('campaigns', 'start', 'attach', '--group', 'pumps', '--policy', 'actuator', '--dry-run');
  expect(dry.code, dry.stderr).toBe(0);
  expect(dry.stdout).toMatch(/^3 things, such as pump-\d, pump-\d, pump-\d\n/);
  expect(await newest()).toBeUndefined();
  const start = ['campaigns', 'start', 'attach', '--group', 'pumps', '--policy', 'actuator', '--waves', '40,100'];
  expect(await run(...start)).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  expect(await newest()).toBeUndefined();
  const begun = await run(...start, '--yes');
  expect(begun.code, begun.stderr).toBe(0);
  expect(begun.stdout).toMatch(/^attach actuator on the group pumps$/m);
  const { id } = await newest();
  expect(await run('groups', 'delete', 'pumps', '--yes')).toMatchObject({ code: 3 });
  const followed = run('campaigns', 'status', id, '--follow');
  for (let n = 0; n < 6; n++) await turn();
  const { code, stdout, stderr } = await followed;
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/^done, wave 2 of 2: 3 of 3 things, 0 failed$/m);
  expect(stdout).toMatch(/^ {2}up to 100 %: \d things, \d done, 0 failed, 0 skipped, 0 left$/m);
  expect((await server.owner.get('/v1/things/pump-2')).body.policies).toContain('actuator');
});

it('attributes are set and taken away, and one that failed ends with exit code 1', async () => {
  const set = ['campaigns', 'start', 'set-attributes', '--query', 'name = pump-1', '--attribute', 'hall=7'];
  expect((await run(...set, '--attribute', 'site=', '--yes')).code).toBe(0);
  for (let n = 0; n < 6; n++) await turn();
  expect((await server.owner.get('/v1/things/pump-1')).body.attributes).toEqual({ hall: '7' });
  await run(
    'campaigns',
    'start',
    'renew',
    '--group',
    'pumps',
    '--waves',
    '100',
    '--renew-within-seconds',
    '60',
    '--yes',
  );
  const { id } = await newest();
  await turn();
  const asked = await run('campaigns', 'things', id, '--state', 'asked', '-o', 'json');
  expect(JSON.parse(asked.stdout)).toHaveLength(3);
  server.advance(120);
  for (let n = 0; n < 4; n++) await turn();
  const { code, stderr, stdout } = await run('campaigns', 'status', id, '--follow');
  expect(code, stdout).toBe(1);
  expect(stderr).toMatch(/3 failed/);
  expect((await run('campaigns', 'things', id, '--state', 'failed')).stdout).toMatch(/^pump-\d +1 +failed +\S/m);
});

it('what is wrong is refused before anything is sent, with the next step', async () => {
  const cases: [string[], RegExp][] = [
    [['start', 'renew'], /--group or --query/],
    [['start', 'renew', '--group', 'a', '--query', 'b'], /--group or --query/],
    [['start', 'explode', '--group', 'a'], /Allowed choices are renew/],
    [['start', 'renew', '--group', 'pumps', '--waves', '1,x'], /such as 1,10,50,100/],
    [['start', 'renew', '--group', 'pumps', '--wave-seconds', '-1'], /whole number/],
    [['things', 'x', '--state', 'gone'], /Allowed choices are waiting/],
  ];
  for (const [args, text] of cases) {
    const ran = await run('campaigns', ...args);
    expect({ args, code: ran.code, out: ran.stdout }).toEqual({ args, code: 2, out: '' });
    expect(ran.stderr).toMatch(text);
  }
  const { id } = await newest();
  const cancelled = await run('campaigns', 'cancel', id);
  expect(cancelled).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  for (const each of ['../things', '%2e%2e', 'a?b=c']) {
    const ran = await run('campaigns', 'status', each);
    expect(ran.code, each).toBe(3);
  }
});
