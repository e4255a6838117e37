import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import { findPostgres } from '../../support/databases/postgres.js';
import { blockOf } from '../../support/deployment/documented.js';
import { csrPem } from '../../support/pki/csr.js';
import { freePort } from '../../support/ports.js';
import { startProgram } from '../../support/program.js';
import { describeUnless } from '../../support/programs.js';
import { runShell, runThingward } from '../../support/shell.js';

const paper = readFileSync('docs/postgresql.md', 'utf8');
const programs = findPostgres();

describeUnless(programs ? [] : ['postgres'], 'docs/postgresql.md, command by command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-pg-paper-'));
  const at = (name: string): string => join(folder, name);
  // As an administrator has it: PostgreSQL does not run as root.
  const isRoot = process.getuid?.() === 0;
  const secret = (): string => randomBytes(12).toString('hex');
  let env: Record<string, string> = {};

  const asAdministrator = async (script: string): Promise<string> => {
    const whole = isRoot
      ? `exec runuser -u postgres --preserve-environment -- bash -euo pipefail <<'SCRIPT'\n${script}\nSCRIPT`
      : script;
    const { code, output } = await runShell(whole, folder, env);
    expect(code, `${script}\n${output}`).toBe(0);
    return output.trim();
  };
  const follow = (name: string): Promise<string> => asAdministrator(blockOf(name, paper));
  /** The block that sets DATABASE_URL, for a port. */
  const urlAt = async (port: string): Promise<string> =>
    (
      await runShell(`${blockOf('url', paper)}\nprintf %s "$DATABASE_URL"`, folder, {
        ...env,
        PGHOST: 'localhost',
        PGPORT: port,
      })
    ).output;
  const settings = {
    THINGWARD_KEY: randomBytes(32).toString('hex'),
    THINGWARD_OWNER_KEY: `twk_${randomBytes(32).toString('base64url')}`,
  };
  const start = async (port: string) => {
    const program = await startProgram({ ...settings, DATABASE_URL: await urlAt(port) });
    return { program, owner: createClient(program.url, settings.THINGWARD_OWNER_KEY) };
  };
  const ports = { primary: '', standby: '' };

  beforeAll(async () => {
    ports.primary = String(await freePort());
    ports.standby = String(await freePort());
    env = {
      PATH: `${programs}:${process.env['PATH']}`,
      HOME: folder,
      PGHOST: folder,
      PGPORT: ports.primary,
      PGUSER: 'postgres',
      PRIMARY: at('primary'),
      STANDBY: at('standby'),
      STANDBY_PORT: ports.standby,
      ARCHIVE: at('archive'),
      BACKUP: at('backup'),
      OWNER_PASSWORD: secret(),
      SERVER_PASSWORD: secret(),
      STANDBY_PASSWORD: secret(),
    };
    if (isRoot) {
      const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
      chownSync(folder, id('-u'), id('-g'));
    }
    await asAdministrator(`mkdir archive && initdb -D "$PRIMARY" -U postgres -A trust -E UTF8 --locale=C.UTF-8 > /dev/null
      printf '%s\\n' "port = $PGPORT" "listen_addresses = 'localhost'" "unix_socket_directories = '${folder}'" >> "$PRIMARY/postgresql.conf"
      pg_ctl --pgdata="$PRIMARY" --log=primary.log --wait start > /dev/null`);
  });
  afterAll(async () => {
    for (const name of ['primary', 'standby', 'backup'])
      await runShell(
        `${isRoot ? 'runuser -u postgres --preserve-environment -- ' : ''}pg_ctl --pgdata='${at(name)}' --mode=immediate stop || true`,
        folder,
        env,
      );
    rmSync(folder, { recursive: true, force: true });
  });

  it('works from the roles to a restored backup, with nothing acknowledged that is lost', async () => {
    await follow('roles');
    const bare = {
      ...settings,
      DATABASE_URL: `postgresql://thingward:${env['SERVER_PASSWORD']}@localhost:${ports.primary}/thingward`,
    };
    const early = await runThingward(['serve'], { ...bare, THINGWARD_PORT: String(await freePort()) });
    expect(early).toMatchObject({ code: 1, output: expect.stringMatching(/lacks \d+ migrations.*thingward migrate/) });
    const migrated = await runShell(
      `thingward() { "${process.execPath}" '${process.cwd()}/dist/main.js' "$@"; }\nexport PGHOST=localhost\n${blockOf('migrate', paper)}`,
      folder,
      { ...env, THINGWARD_KEY: settings.THINGWARD_KEY },
    );
    expect(migrated.output).toMatch(/^Migrations of the database thingward on localhost:\d+: applied \d+: /);
    await follow('tls');

    // The role of the server alone is enough for all that a server does.
    const first = await start(ports.primary);
    await expect(startProgram(bare)).rejects.toThrow(/no pg_hba\.conf entry|no encryption/);
    const { token } = (await first.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 10 })).body as {
      token: string;
    };
    const agent = createClient(first.program.url, token);
    const provision = async (thingName: string) => {
      const answer = await agent.post('/v1/provision', { thingName, csr: csrPem() });
      expect(answer.status, answer.text).toBe(201);
      return (answer.body as { certificate: { serialNumber: string } }).certificate.serialNumber;
    };
    const [kept, lost] = [await provision('kept'), await provision('lost')];
    const drop = `PGPASSWORD=$SERVER_PASSWORD psql "host=localhost port=$PGPORT user=thingward dbname=thingward sslmode=require" --command='DROP TABLE audit' 2>&1 || true`;
    expect(await asAdministrator(drop)).toMatch(/must be owner|does not exist|permission denied/);

    await follow('standby');
    expect(await follow('standby state')).toBe('standby_1|sync');
    expect((await first.owner.post(`/v1/certificates/${lost}/revoke`, { reason: 'keyCompromise' })).status).toBe(200);
    await follow('failover');
    await first.program.kill('SIGKILL');

    const second = await start(ports.standby);
    const isRevoked = async ({ owner }: typeof second, serial: string) =>
      ((await owner.get(`/v1/certificates/${serial}`)).body as { status: string }).status;
    expect([await isRevoked(second, lost), await isRevoked(second, kept)]).toEqual(['revoked', 'active']);
    await follow('archive');
    // A restart ends its connections.
    for (let n = 0; n < 100 && (await second.owner.get('/readyz')).status !== 200; n++)
      await new Promise((done) => setTimeout(done, 100));
    expect((await second.owner.post(`/v1/certificates/${kept}/revoke`, { reason: 'unspecified' })).status).toBe(200);
    await second.program.kill();
    await follow('restore');
    const third = await start(ports.primary);
    expect(await isRevoked(third, kept)).toBe('revoked');
    await third.program.kill();
  });

  it('has no block of commands that is not run here', () => {
    const marks = [...paper.matchAll(/<!-- test: ([\w ]+) -->/g)].map(([, name]) => name);
    expect(marks).toEqual([
      'roles',
      'migrate',
      'tls',
      'url',
      'standby',
      'standby state',
      'failover',
      'archive',
      'restore',
    ]);
    expect(paper.match(/^```sh$/gm)).toHaveLength(marks.length);
  });
});
