import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiCommands } from '../../../src/cli/operator/commands.js';
import { runCli, runUntil } from '../../support/cli/run.js';
import { faultsOfAnswer, faultsOfSchema } from '../../support/cli/schemas.js';
import { enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { createWaitingRoom } from '../../support/provisioning/waiting.js';
import { freePort } from '../../support/ports.js';
import { startServer, type TestServer } from '../../support/server.js';

const folder = mkdtempSync(join(tmpdir(), 'thingward-operator-'));
const pump = { id: 'say', effect: 'allow', actions: ['publish'], resources: ['topic:pumps/${thing.name}'] };
let server: TestServer;
let env: Record<string, string>;
let devices: Device[];
let enrollment: string;
let waiting: string[];
let campaign: string;

beforeAll(async () => {
  server = await startServer('embedded');
  env = { THINGWARD_URL: server.url, THINGWARD_API_KEY: server.ownerKey };
  await server.owner.post('/v1/policies', { name: 'pump', statements: [pump] });
  await server.owner.post('/v1/segments', { name: 'hall', cidr: '127.0.0.0/8' });
  await server.owner.post('/v1/groups', { name: 'pumps', query: { type: 'pump' } });
  await server.owner.post('/v1/groups', { name: 'seen', query: 'lastSeenAt > -7d' });
  await server.owner.post('/v1/proxies', { name: 'berlin-1' });
  const { id, token } = await enroll(server, { policy: 'pump', thingNamePattern: 'pump-*' });
  enrollment = id;
  devices = [];
  for (const name of ['pump-1', 'pump-2', 'pump-3', 'pump-4']) devices.push(await provision(server, token, name));
  campaign = (await server.owner.post('/v1/campaigns', { query: 'name = "pump-*"', do: 'renew' })).body.id as string;
  const room = createWaitingRoom(() => server);
  waiting = [(await room.wait()).waiting, (await room.wait()).waiting];
  writeFileSync(join(folder, 'pump.yaml'), `name: pump\nstatements: [${JSON.stringify(pump)}]\n`);
  const cases = ['pump-1', 'pump-2'].map((name, n) => ({
    request: { thing: { name }, action: 'publish', resource: `topic:pumps/${name}` },
    expect: n === 0 ? 'allow' : 'deny',
  }));
  writeFileSync(join(folder, 'cases.json'), JSON.stringify({ cases }));
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => runCli(args, { env, cwd: folder });
const serialOf = (n: number): string => devices[n]!.answer.body.certificate.serialNumber as string;

/** What a command prints as JSON: an answer of the API, a list of what its pages have, lines of a schema, or a shape that docs/cli.md shows. */
type Printed =
  | { answer: string }
  | { list: string }
  | { schema: string }
  | { lines: string }
  | { own: Record<string, unknown> | unknown[] };
type Row = { args: () => string[]; prints: Printed; code?: number };

const row = (line: string, prints: Printed, ...more: (() => string)[]): Row => ({
  args: () => [...line.split(' '), ...more.map((each) => each())],
  prints,
});

// In the order in which they run: later ones see what earlier ones did.
const rows: Row[] = [
  row('contexts list', { own: [] }),
  row('things list', { list: 'get /v1/things' }),
  row('things show pump-1', { answer: 'get /v1/things/{name}' }),
  row('things suspend pump-1', { answer: 'post /v1/things/{name}/suspend' }),
  row('things resume pump-1', { answer: 'post /v1/things/{name}/resume' }),
  row('things reenroll pump-1', { answer: 'post /v1/things/{name}/reenroll' }),
  row('things revoke pump-4 --yes --reason keyCompromise', { answer: 'post /v1/things/{name}/revoke' }),
  row('groups list', { list: 'get /v1/groups' }),
  row('groups show pumps', { answer: 'get /v1/groups/{name}' }),
  row('campaigns start renew --dry-run --query', { schema: 'CampaignPreview' }, () => 'name = "pump-*"'),
  row('campaigns start renew --yes --waves 50,100 --query', { schema: 'Campaign' }, () => 'name = "pump-*"'),
  row('campaigns list', { list: 'get /v1/campaigns' }),
  row('campaigns status', { answer: 'get /v1/campaigns/{id}' }, () => campaign),
  row('campaigns things', { list: 'get /v1/campaigns/{id}/things' }, () => campaign),
  row('campaigns pause', { answer: 'post /v1/campaigns/{id}/pause' }, () => campaign),
  row('campaigns resume', { answer: 'post /v1/campaigns/{id}/resume' }, () => campaign),
  row('campaigns cancel --yes', { answer: 'post /v1/campaigns/{id}/cancel' }, () => campaign),
  row('certificates list', { list: 'get /v1/certificates' }),
  row('certificates show', { answer: 'get /v1/certificates/{serialNumber}' }, () => serialOf(0)),
  row(
    'certificates revoke --yes --reason certificateHold',
    { answer: 'post /v1/certificates/{serialNumber}/revoke' },
    () => serialOf(0),
  ),
  row('certificates release', { answer: 'post /v1/certificates/{serialNumber}/release' }, () => serialOf(0)),
  row('enrollments create --things valve-* --policy pump --uses 5', { answer: 'post /v1/enrollments' }),
  row('enrollments list', { list: 'get /v1/enrollments' }),
  row('waiting list', { list: 'get /v1/waiting' }),
  row('waiting approve', { answer: 'post /v1/waiting/{id}/approve' }, () => waiting[0]!),
  row('waiting deny --reason unknown', { answer: 'post /v1/waiting/{id}/deny' }, () => waiting[1]!),
  row('policies list', { list: 'get /v1/policies' }),
  row('policies show pump', { answer: 'get /v1/policies/{name}' }),
  row('policies apply -f pump.yaml', { own: { changed: false, changes: [] } }),
  {
    ...row('policies test -f cases.json --policies pump.yaml', {
      own: { cases: 2, differences: [{ case: 2, expected: 'deny', decision: 'allow', reasons: expect.any(Array) }] },
    }),
    code: 1,
  },
  row('policies export -f policies', { own: { policies: expect.any(Number) } }),
  row('export -f account', {
    own: { policies: expect.any(Number), segments: 1, groups: 2, enrollments: expect.any(Number) },
  }),
  row('import -f account', { own: { changed: false, changes: [] } }),
  row('groups apply -f account', { own: { changed: false, changes: [] } }),
  row('groups delete seen --yes', { own: { name: 'seen', deleted: true } }),
  row('authorize pump-2 publish topic:pumps/pump-2', { answer: 'post /v1/authorize' }),
  { ...row('authorize pump-2 publish topic:pumps/pump-1', { answer: 'post /v1/authorize' }), code: 1 },
  row('revoke --thing pump-2 --dry-run', { answer: 'post /v1/revocations/bulk' }),
  row('revoke --thing pump-2 --yes', { schema: 'BulkRevocation' }),
  row('enrollments revoke --yes', { answer: 'post /v1/enrollments/{id}/revoke' }, () => enrollment),
  row('edges list', { list: 'get /v1/proxies' }),
  row('audit list --limit 3', { list: 'get /v1/audit' }),
  row('audit export', { lines: 'AuditEntry' }),
  row('audit tail', { lines: 'AuditEntry' }),
  row('watch', { lines: 'FeedEntry' }),
];
const endless = ['audit tail', 'watch'];

const suspendAndResume = async () => {
  for (const verb of ['suspend', 'resume']) await server.owner.post(`/v1/things/pump-3/${verb}`);
  await new Promise((resolve) => setTimeout(resolve, 50));
};

describe('each command as programs read it', () => {
  it('prints what openapi.yaml says, with -o json', async () => {
    for (const { args, prints, code = 0 } of rows) {
      const words = [...args(), '-o', 'json'];
      const what = words.join(' ');
      const isEndless = endless.includes(args().join(' '));
      const ran = isEndless
        ? await runUntil(words, { env, cwd: folder }, ({ stdout }) => stdout.includes('\n'), suspendAndResume)
        : await run(...words);
      if (!isEndless) expect(ran.code, `${what}: ${ran.stderr}`).toBe(code);
      if ('lines' in prints) {
        const lines = ran.stdout.trim().split('\n');
        for (const line of lines) expect(faultsOfSchema(prints.lines, JSON.parse(line)), `${what}: ${line}`).toBe('');
        continue;
      }
      const value: unknown = JSON.parse(ran.stdout);
      if ('answer' in prints) expect(faultsOfAnswer(prints.answer, value), what).toBe('');
      else if ('schema' in prints) expect(faultsOfSchema(prints.schema, value), what).toBe('');
      else if ('list' in prints) {
        expect((value as unknown[]).length, what).toBeGreaterThan(0);
        expect(faultsOfAnswer(prints.list, { items: value }), what).toBe('');
      } else expect(value, what).toEqual(prints.own);
    }
  });

  it('and none is left out', () => {
    const leaves = (command: Command, path: string[]): string[] =>
      command.commands.length > 0
        ? command.commands.flatMap((each) => leaves(each, [...path, each.name()]))
        : command.options.some(({ long }) => long === '--output')
          ? [path.join(' ')]
          : [];
    const all = apiCommands().flatMap((command) => leaves(command, [command.name()]));
    const tried = rows.map(({ args }) => {
      const [first, second] = args() as [string, string];
      return all.includes(first) ? first : `${first} ${second}`;
    });
    expect([...new Set(tried)].sort()).toEqual(all.sort());
  });

  it('has every form, and nothing but the form on the output', async () => {
    const csv = await run('certificates', 'list', '--thing', 'pump-1', '-o', 'csv');
    expect(csv.stdout.split('\r\n')[0]).toBe('serialNumber,thingName,status,reason,notAfter');
    expect(csv.stdout.split('\r\n')[1]).toContain(`${serialOf(0)},pump-1,`);
    const yaml = await run('things', 'show', 'pump-1', '-o', 'yaml');
    expect(yaml.stdout).toMatch(/^name: pump-1$/m);
    const table = await run('things', 'list', '--search', 'pump-1');
    expect(table.stdout).toMatch(/^NAME {2,}STATUS {2,}TYPE/);
    expect(table.stdout).not.toContain('\u001B');
    expect((await run('things', 'list', '--search', 'nobody')).stdout).toBe('Nothing matches.\n');
  });
});

describe('what is refused', () => {
  it('ends with one line that says what to do, and the exit code of its kind', async () => {
    const wrongKey = { ...env, THINGWARD_API_KEY: `twk_${'k'.repeat(43)}` };
    const nobody = { ...env, THINGWARD_URL: `http://127.0.0.1:${await freePort()}` };
    const cases: [string[], Record<string, string>, number, RegExp][] = [
      [['things', 'show', 'nobody'], env, 3, /there is no thing nobody/],
      [['things', 'list'], wrongKey, 3, /401 .*thingward login URL$/],
      [['things', 'list'], nobody, 4, /cannot be reached \(ECONNREFUSED\): check the address/],
      [['things', 'revoke', 'pump-1'], env, 2, /revokes the thing pump-1 .*--yes/],
      [['revoke', '--yes'], env, 2, /say which certificates: --thing/],
      [['things', 'list', '--context', 'prod'], env, 2, /no context prod: thingward contexts list/],
      [['things', 'list', '-o', 'xml'], env, 2, /Allowed choices are table, json, yaml, csv/],
      [['policies', 'apply', '-f', 'nowhere'], env, 2, /nowhere cannot be read .*name a folder or a file/],
    ];
    for (const [args, given, code, text] of cases) {
      const ran = await runCli(args, { env: given, cwd: folder });
      expect({ args, code: ran.code }, ran.stderr).toEqual({ args, code });
      expect(ran.stdout).toBe('');
      expect(ran.stderr.trim().split('\n')).toHaveLength(1);
      expect(ran.stderr.trim()).toMatch(text);
    }
  });
});

describe('policies as a folder', () => {
  it('apply shows the difference first, and a second run changes nothing', async () => {
    const file = join(folder, 'apply', 'valve.json');
    const policy = { name: 'valve', dataSensitivity: 'low', statements: [pump] };
    rmSync(join(folder, 'apply'), { recursive: true, force: true });
    mkdirSync(join(folder, 'apply'));
    writeFileSync(file, JSON.stringify(policy));
    const versions = async () => ((await server.owner.get('/v1/policies/valve')).body?.versions as unknown[])?.length;

    expect(await run('policies', 'apply', '-f', 'apply', '--dry-run')).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^create policy valve\n {2}\+ name: "valve"\n/),
    });
    expect((await server.owner.get('/v1/policies/valve')).status).toBe(404);
    expect(await run('policies', 'apply', '-f', 'apply')).toMatchObject({ code: 2 });
    expect((await run('policies', 'apply', '-f', 'apply', '--yes')).code).toBe(0);
    expect(await versions()).toBe(1);

    const changed = { ...policy, statements: [{ ...pump, actions: ['subscribe'] }] };
    writeFileSync(file, JSON.stringify(changed));
    const second = await run('policies', 'apply', '-f', 'apply', '--yes');
    expect(second.stdout).toBe(
      [
        'update policy valve',
        `  - statements: ${JSON.stringify(pump)}`,
        `  + statements: ${JSON.stringify(changed.statements[0])}`,
        '',
      ].join('\n'),
    );
    expect((await server.owner.get('/v1/policies/valve')).body).toMatchObject({ activeVersion: 2, document: changed });
    for (const flags of [['--dry-run'], ['--yes'], []])
      expect(await run('policies', 'apply', '-f', 'apply', ...flags)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('nothing to change'),
      });
    expect(await versions()).toBe(2);
  });

  it('export, and import into another account, which then exports the same', async () => {
    const { ownerKey } = (await server.owner.post('/v1/accounts', { name: 'acme' })).body as { ownerKey: string };
    const acme = { ...env, THINGWARD_API_KEY: ownerKey };
    const there = (...args: string[]) => runCli(args, { env: acme, cwd: folder });
    rmSync(join(folder, 'account'), { recursive: true, force: true });
    await run('export', '-f', 'account');
    const first = await there('import', '-f', 'account', '--yes');
    expect(first.code, first.stderr).toBe(0);
    const enrollments = readdirSync(join(folder, 'account', 'enrollments')).length;
    expect(enrollments).toBeGreaterThan(0);
    expect(first.stdout.match(/^The token of .*, shown this once: twe_\S{43}$/gm)).toHaveLength(enrollments);
    expect(await there('import', '-f', 'account', '--yes')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing to change'),
    });
    await there('export', '-f', 'again');
    for (const kind of ['policies', 'segments', 'groups', 'enrollments']) {
      const all = (of: string) =>
        readdirSync(join(folder, of, kind)).map((name) => readFileSync(join(folder, of, kind, name), 'utf8'));
      expect(all('again').sort(), kind).toEqual(all('account').sort());
    }
    const files = readdirSync(join(folder, 'account'), { recursive: true, withFileTypes: true });
    for (const file of files.filter((each) => each.isFile()))
      expect(readFileSync(join(file.parentPath, file.name), 'utf8')).not.toMatch(/tw[ek]_/);
  });
});

it('the certificate that a command shows is that of the device', async () => {
  const { stdout } = await run('certificates', 'show', serialOf(0), '-o', 'json');
  expect((JSON.parse(stdout) as { pem: string }).pem.trim()).toBe(pemOf(devices[0]!).trim());
});
