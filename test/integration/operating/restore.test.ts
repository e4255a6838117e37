import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { createDatabase, findPostgres } from '../../support/databases/postgres.js';
import { freshDatabase, sealingKey } from '../../support/databases/databases.js';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';
import { startProgram } from '../../support/program.js';
import { startServer, type TestServer } from '../../support/server.js';
import { runShell, runThingward, userFolder, type ShellResult } from '../../support/shell.js';

const blocks = new Map(
  [...readFileSync('docs/operations.md', 'utf8').matchAll(/<!-- test: (\w+) -->\s+```\w+\n([\s\S]*?)```/g)].map(
    ([, name, code]) => [name!, code!],
  ),
);
const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
const programs = `${findPostgres() ?? '/usr/bin'}:${process.env['PATH']}`;
const newName = () => `r${randomBytes(6).toString('hex')}`;
const urlOf = (name: string) => inject('postgresUrl').replace('NAME', name);

describeWith(
  ['pg_dump', 'pg_restore', 'psql', 'curl', 'openssl'],
  'a backup is restored as docs/operations.md says',
  () => {
    const user = userFolder();
    const files = mkdtempSync(join(tmpdir(), 'thingward-restore-'));
    const at = (name: string) => join(files, name);
    let server: TestServer;
    let settings: Record<string, string>;
    let before: Device;
    let after: Device;
    let lost: Device;
    let quiet: Device;
    let number = 0n;

    const shell = (name: string, env: Record<string, string> = {}) =>
      runShell(blocks.get(name)!, user.path, {
        PATH: programs,
        THINGWARD_URL: server.url,
        PROXY_KEY: ownerKey,
        ...env,
      });
    const must = async (result: Promise<ShellResult>): Promise<string> => {
      const { code, output } = await result;
      expect(code, output).toBe(0);
      return output;
    };
    const revoke = async (device: Device, reason = 'keyCompromise') =>
      expect((await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason })).status).toBe(200);
    const save = async (name: string, path: string, headers = {}) => {
      const answer = await server.owner.send('GET', path, undefined, headers);
      expect(answer.status).toBe(200);
      writeFileSync(at(name), answer.text);
      return answer;
    };

    /** A new database with the backup in it, as the settings of an operator's command. */
    const restoreDatabase = async (): Promise<Record<string, string>> => {
      const url = await createDatabase({ url: urlOf }, newName());
      await must(
        runShell(`pg_restore --exit-on-error --no-owner --dbname="${url}" ${at('thingward.dump')}`, files, {
          PATH: programs,
        }),
      );
      return { DATABASE_URL: url, THINGWARD_KEY: sealingKey };
    };
    const restored = (env: Record<string, string>, ...args: string[]) =>
      runThingward(['restored', '--yes', ...args], env);
    const ask = async (env: Record<string, string>, query: string) => {
      const client = new pg.Client({ connectionString: env['DATABASE_URL']! });
      await client.connect();
      const { rows } = await client.query<Record<string, string>>(query);
      await client.end();
      return rows;
    };

    beforeAll(async () => {
      ({ settings } = await freshDatabase('postgresql'));
      server = await startServer('postgresql', { ...settings, THINGWARD_OWNER_KEY: ownerKey });
      const { token } = await enroll(server);
      [before, after, quiet] = [
        await provision(server, token, 'before'),
        await provision(server, token, 'after'),
        await provision(server, token, 'quiet'),
      ];
      await provision(server, token, 'stopped');
      await save('old.pem', '/crl/bundle.pem');
      await save('old.jws', '/v1/revocations/snapshot.jws');
      await revoke(before);
      await server.owner.get('/crl/bundle.pem');
      await must(shell('backup', settings));
      await must(runShell(`cp thingward.dump ${files}`, user.path));
      // What the backup does not know.
      lost = await provision(server, token, 'lost');
      await revoke(after);
      await revoke(lost);
      expect((await server.owner.post('/v1/things/stopped/suspend')).status).toBe(200);
      await save('new.pem', '/crl/bundle.pem');
      await save('new.jws', '/v1/revocations/snapshot', { accept: 'application/jose' });
      await must(shell('save'));
      await must(runShell(`cp bundle.pem snapshot.jws ${files}`, user.path));
      number = (await fetchCrl(server, `/crl/${issuerOf(before)}.crl`)).number;
      await server.stop();
    });
    afterAll(() => {
      user.remove();
      rmSync(files, { recursive: true, force: true });
    });

    /** Serves a restored database and looks at it from outside. */
    const look = async (env: Record<string, string>) => {
      const program = await startProgram({ ...env, THINGWARD_OWNER_KEY: ownerKey });
      let crl = await fetchCrl(program, `/crl/${issuerOf(before)}.crl`);
      // On a busy machine the first lease may have ended: 503 until the next.
      for (let attempt = 0; crl.status === 503 && attempt < 50; attempt++) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        crl = await fetchCrl(program, `/crl/${issuerOf(before)}.crl`);
      }
      expect(crl.status).toBe(200);
      const verified = await runThingward([
        'revocation',
        'verify',
        program.url,
        '--key',
        ownerKey,
        '--previous',
        at('new.pem'),
        '--previous',
        at('new.jws'),
      ]);
      const get = async (path: string) =>
        (
          await fetch(`${program.url}${path}`, { headers: { authorization: `Bearer ${ownerKey}` } })
        ).json() as Promise<any>;
      const [stopped, snapshot, audit] = [
        await get('/v1/things/stopped'),
        await get('/v1/revocations/snapshot'),
        await get('/v1/audit?action=restored'),
      ];
      await program.kill();
      return { crl, verified, stopped, snapshot, audit };
    };

    it('word for word, with lists and a feed snapshot, and nothing that was revoked is good again', async () => {
      const name = newName();
      const env = { ...settings, ADMIN_URL: urlOf('postgres'), RESTORED_URL: urlOf(name), THINGWARD_KEY: sealingKey };
      const script = blocks.get('restore')!.replaceAll('thingward_restored', name);
      const output = await must(runShell(script, user.path, { PATH: programs, ...env }));
      expect(output).toMatch(/Using the database r[0-9a-f]{12} on 127\.0\.0\.1:\d+: 1 account, 4 things\./);
      // The suspension holds the certificate of the thing.
      expect(output).toMatch(
        /Re-applied: 2 revoked or held certificates, and 1 more of which only the serial number is known; 1 thing\b/,
      );
      expect(output).toMatch(/Closed: 1 open enrollment\b/);
      expect(output).toMatch(/rotate the issuing CA/);
      const { crl, verified, stopped, snapshot, audit } = await look({
        DATABASE_URL: urlOf(name),
        THINGWARD_KEY: sealingKey,
      });
      for (const device of [before, after, lost]) expect(crl.serials).toContain(serialOf(device));
      expect(crl.serials).not.toContain(serialOf(quiet));
      expect(crl.number).toBeGreaterThan(number);
      expect(stopped.status).toBe('suspended');
      expect(snapshot.certificates.map((each: { serialNumber: string }) => each.serialNumber)).toContain(
        serialOf(lost),
      );
      expect(audit.items[0]).toMatchObject({
        actor: 'command-line',
        detail: { certificates: 2, orphans: 1, things: 1 },
      });
      expect(verified.output, verified.output).toMatch(/ 0 findings/);
    });

    it('with lists alone: what they list is revoked, and the report says what they cannot tell', async () => {
      const env = await restoreDatabase();
      const output = await must(restored(env, '--lists', at('new.pem')));
      expect(output).toContain('no feed snapshot was passed');
      const { crl, stopped } = await look(env);
      for (const device of [before, after, lost]) expect(crl.serials).toContain(serialOf(device));
      expect(stopped.status).toBe('active');
    });

    it('with a feed snapshot alone', async () => {
      const env = await restoreDatabase();
      await must(restored(env, '--feed', at('new.jws')));
      const { crl, stopped } = await look(env);
      for (const device of [before, after, lost]) expect(crl.serials).toContain(serialOf(device));
      expect(stopped.status).toBe('suspended');
    });

    it('refuses stale, partial, forged and foreign files, and no file at all, and changes nothing', async () => {
      const env = await restoreDatabase();
      const [head] = await ask(env, 'SELECT epoch FROM log_head');
      const pem = readFileSync(at('new.pem'), 'utf8');
      const cut = pem.indexOf('-----END X509 CRL-----') + 23;
      writeFileSync(at('part.pem'), pem.slice(0, cut));
      writeFileSync(at('cut.pem'), pem.slice(0, -40));
      const der = Buffer.from(pem.slice(pem.indexOf('\n'), cut).replace(/-----[A-Z0-9 ]+-----|\s/g, ''), 'base64');
      der[der.length - 5]! ^= 1;
      writeFileSync(at('forged.crl'), der);
      const [header, payload, signature] = readFileSync(at('new.jws'), 'utf8').split('.') as [string, string, string];
      const bent = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { certificates: unknown[] };
      bent.certificates = [];
      writeFileSync(
        at('forged.jws'),
        `${header}.${Buffer.from(JSON.stringify(bent)).toString('base64url')}.${signature}`,
      );
      writeFileSync(at('unsigned.jws'), `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`);
      writeFileSync(at('nothing.pem'), 'nothing');
      const cases: [string[], RegExp][] = [
        [[], /--lists bundle\.pem .*--feed snapshot\.jws .*--accept-loss/],
        [['--lists', at('old.pem')], /old\.pem has list number \d+ .* older than the backup/],
        [['--feed', at('old.jws')], /old\.jws is older than the backup/],
        [['--lists', at('new.pem'), '--feed', at('old.jws')], /old\.jws is older than the backup/],
        [['--lists', at('part.pem')], /do not cover 1 unexpired issuer \([0-9a-f]{16} of the account default\)/],
        [['--lists', at('cut.pem')], /cut\.pem/],
        [['--lists', at('forged.crl')], /forged\.crl has a list without a valid signature/],
        [['--feed', at('forged.jws')], /forged\.jws has no valid signature/],
        [['--feed', at('unsigned.jws')], /unsigned\.jws /],
        [['--lists', at('nothing.pem')], /nothing\.pem holds no list/],
        [['--lists', at('missing.pem')], /missing\.pem cannot be read/],
        [['--feed', at('new.pem')], /new\.pem cannot be read/],
      ];
      for (const [args, message] of cases) {
        const result = await restored(env, ...args);
        expect(result.code, `${args.join(' ')}: ${result.output}`).toBe(1);
        expect(result.output).toMatch(message);
      }
      const now = await ask(
        env,
        'SELECT epoch, (SELECT count(*) FROM certificates WHERE revoked_at IS NOT NULL)::text AS revoked FROM log_head',
      );
      expect(now).toEqual([{ epoch: head!['epoch'], revoked: '1' }]);
    });

    it('goes ahead without a file on --accept-loss, and verify --previous finds what got lost', async () => {
      const env = await restoreDatabase();
      await must(restored(env, '--accept-loss'));
      const { verified } = await look(env);
      expect(verified.code).toBe(1);
      expect(verified.output).toMatch(new RegExp(`BAD  .*new\\.pem.*${serialOf(after)}`));
      expect(verified.output).toMatch(new RegExp(`BAD  .*new\\.jws.*${serialOf(after)}`));
    });

    it('refuses while an instance runs on the database', async () => {
      const env = await restoreDatabase();
      const program = await startProgram({ ...env, THINGWARD_OWNER_KEY: ownerKey });
      const result = await restored(env, '--accept-loss');
      await program.kill();
      expect(result).toMatchObject({
        code: 1,
        output: expect.stringMatching(/1 instance runs on this database: stop every instance/),
      });
    });

    it('takes token keys, refresh tokens and enrollments of the backup away', async () => {
      const env = await restoreDatabase();
      const kids = await ask(env, 'SELECT kid FROM token_keys');
      expect(kids.length).toBeGreaterThan(1);
      await must(restored(env, '--lists', at('new.pem'), '--feed', at('new.jws')));
      const left = `SELECT (SELECT count(*) FROM token_keys) + (SELECT count(*) FROM refresh_families WHERE revoked_at IS NULL)
      + (SELECT count(*) FROM enrollments WHERE revoked_at IS NULL) AS open`;
      expect(await ask(env, left)).toEqual([{ open: '0' }]);
    });
  },
);
