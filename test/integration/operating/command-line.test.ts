import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { databaseKinds, emptyDatabase, freshDatabase } from '../../support/databases/databases.js';
import { startProgram } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';
import { runShell, runThingward } from '../../support/shell.js';

const root = mkdtempSync(join(tmpdir(), 'thingward-cli-'));
let folder = '';
beforeEach(() => void mkdirSync((folder = join(root, randomBytes(4).toString('hex')))));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const commands = [
  ['serve'],
  ['agent'],
  ['agent', 'provision'],
  ['agent', 'token'],
  ['agent', 'renew'],
  ['agent', 'run'],
  ['revocation'],
  ['revocation', 'verify'],
  ['owner-key'],
  ['owner-link'],
  ['rotate-token-key'],
  ['migrate'],
  ['restored'],
  ['version'],
];
const operators = [
  ['owner-key'],
  ['owner-link'],
  ['rotate-token-key', '--yes'],
  ['restored', '--accept-loss', '--yes'],
];
// What only the words of the command decide must not depend on a server, a database or a folder.
const nothing = () => expect(readdirSync(folder)).toEqual([]);

describe('the command line', () => {
  it('explains every command with --help and -h, and does nothing else', async () => {
    for (const command of commands)
      for (const flag of ['--help', '-h']) {
        const result = await runThingward([...command, flag], {}, folder);
        expect(result, command.join(' ')).toMatchObject({
          code: 0,
          output: expect.stringContaining(`Usage: thingward ${command.join(' ')}`),
        });
      }
    expect((await runThingward(['--help'], {}, folder)).output).toContain('rotate-token-key');
    nothing();
  });

  it('shows an example for every command that does something', async () => {
    for (const command of commands.filter(([first, second]) => second ?? !['agent', 'revocation'].includes(first!)))
      expect((await runThingward([...command, '--help'], {}, folder)).output).toMatch(/Examples?:\n {2}\S/);
  });

  it('prints its version and that of its time zone data', async () => {
    for (const args of [['--version'], ['-V'], ['version'], ['serve', '--version'], ['agent', '-V']]) {
      const { code, output } = await runThingward(args, {}, folder);
      expect({ code, output }).toMatchObject({
        code: 0,
        output: expect.stringMatching(/^thingward \d+\.\d+\.\d+\ntime zone data 20\d\d[a-z]\n/),
      });
    }
    nothing();
  });

  it('refuses unknown commands, unknown flags and surplus arguments with exit code 2 and one line', async () => {
    const wrong = [
      ['fly'],
      ['agent', 'fly'],
      ['revocation', 'fly'],
      ['revocation', 'verify'],
      ['agent', 'token'],
      ['agent', 'renew', '--server', 'http://127.0.0.1:1', '--out', 'x'],
      ['agent', 'provision', '--out', 'x', '--server', 'http://127.0.0.1:1', '--name', 'x', '--attribute', 'site'],
      ['serve', '--prot=1'],
      ...operators.map((command) => [...command, '--now']),
      ...operators.map((command) => [...command, 'more', 'more']),
    ];
    for (const args of wrong) {
      const { code, output } = await runThingward(args, {}, folder);
      expect({ args, code }).toEqual({ args, code: 2 });
      expect(output).toMatch(/^thingward: [^\n]+; see: thingward [^\n]*--help\n$/);
    }
    nothing();
  });

  it('an agent command that needs an identity makes no folder for it', async () => {
    for (const command of ['token', 'renew']) {
      const result = await runThingward(['agent', command, '--out', 'pump-1'], {}, folder);
      expect(result).toMatchObject({
        code: 3,
        output: expect.stringMatching(/has no identity: run thingward agent/),
      });
    }
    nothing();
  });
});

describe("the operator's commands where there is no Thingward", () => {
  it('refuse in a wrong folder and make nothing there', async () => {
    for (const command of operators) {
      const result = await runThingward(command, {}, folder);
      expect(result).toMatchObject({ code: 1, output: expect.stringMatching(/no Thingward database in .*\/data: /) });
    }
    nothing();
    mkdirSync(join(folder, 'data/postgresql'), { recursive: true });
    writeFileSync(join(folder, 'data/notes.txt'), 'something else');
    for (const command of operators) expect((await runThingward(command, {}, folder)).code).toBe(1);
    expect(readdirSync(join(folder, 'data'))).toEqual(['notes.txt', 'postgresql']);
    expect(readdirSync(join(folder, 'data/postgresql'))).toEqual([]);
  });

  it.runIf(databaseKinds.includes('postgresql'))('refuse an empty PostgreSQL and make no table in it', async () => {
    const { settings } = await emptyDatabase('postgresql');
    for (const command of operators) {
      const result = await runThingward(command, settings, folder);
      expect(result).toMatchObject({
        code: 1,
        output: expect.stringMatching(
          /database t[0-9a-f]{12} on 127\.0\.0\.1:\d+ has no Thingward: .*nothing was changed/,
        ),
      });
    }
    const client = new pg.Client({ connectionString: settings['DATABASE_URL']! });
    await client.connect();
    expect((await client.query("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace")).rows).toEqual([]);
    await client.end();
    nothing();
  });
});

for (const kind of databaseKinds) {
  describeWith(['script'], `what cannot be undone, on ${kind}`, () => {
    it('says which database it is and asks; without a terminal it needs --yes', async () => {
      const database = await freshDatabase(kind);
      await (await startProgram(database.settings)).kill();
      for (const command of [['rotate-token-key'], ['restored', '--accept-loss']]) {
        const result = await runThingward(command, database.settings, folder);
        expect(result.code).toBe(1);
        expect(result.output).toMatch(/^Using the .*database .*: 1 account, 0 things\.\nthingward: .*add --yes/);
      }
      const ask = (answer: string) =>
        runShell(
          `echo ${answer} | script -qec '"${process.execPath}" "${resolve('dist/main.js')}" rotate-token-key' /dev/null`,
          folder,
          database.settings,
        );
      expect(await ask('no')).toMatchObject({ code: 1, output: expect.stringContaining('nothing was changed') });
      expect(await ask('yes')).toMatchObject({ code: 0, output: expect.stringContaining('signs after ten minutes') });
      nothing();
      database.remove();
    });
  });
}
