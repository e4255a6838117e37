import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import { databaseKinds, emptyDatabase, freshDatabase } from '../../support/databases/databases.js';
import { freePort } from '../../support/ports.js';
import { startProgram, type Program } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';
import { runShell, runThingward, userFolder } from '../../support/shell.js';

const newFolder = () => mkdtempSync(join(tmpdir(), 'thingward-program-'));
const remove = (folder: string) => rmSync(folder, { recursive: true, force: true });
/** A copy of what the start of a checkout needs, so that its build disturbs nobody who runs the built program. */
function copyOfCheckout(): string {
  const copy = newFolder();
  for (const name of [
    'src',
    'console',
    'prisma',
    'scripts',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'prisma.config.ts',
  ])
    cpSync(name, join(copy, name), { recursive: true, filter: (path) => !path.includes('generated') });
  symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
  return copy;
}

const ownerKeyIn = (output: string) => /^ {2}(twk_\S{43})$/m.exec(output)?.[1];

describeWith(['openssl', 'curl', 'sed', 'awk'], 'npm start, as a user meets it', () => {
  const checkout = copyOfCheckout();
  const data = newFolder();
  const user = userFolder();
  let output = '';
  let url = '';
  let pid = 0;

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const env = {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      THINGWARD_PORT: String(port),
      THINGWARD_DATA_DIR: data,
    };
    const child = spawn('npm', ['start'], { cwd: checkout, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    pid = child.pid!;
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    for (let n = 0; n < 6000 && !output.includes('First device'); n++)
      await new Promise((resolve) => setTimeout(resolve, 100));
  });
  afterAll(() => {
    process.kill(-pid, 'SIGKILL');
    user.remove();
    remove(data);
    remove(checkout);
  });

  it('prints the address, the owner key, and three commands that work as printed', async () => {
    expect(output).toContain(`listens on ${url}`);
    expect(ownerKeyIn(output)).toBeTruthy();
    const commands = output.split('\n').filter((line) => /^ {2}(ENROLLMENT=|node |openssl )/.test(line));
    expect(commands).toHaveLength(3);
    const result = await runShell(commands.join('\n'), user.path);
    expect(result).toMatchObject({ code: 0, output: expect.stringContaining('device.crt: OK') });
    expect(statSync(join(user.path, 'pump-1/device.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(data, 'key')).mode & 0o777).toBe(0o600);
  });

  it('the commands of the README work in their order', async () => {
    const blocks = [...readFileSync('README.md', 'utf8').matchAll(/<!-- test: (\w+) -->\s+```sh\n([\s\S]*?)```/g)];
    expect(blocks.map(([, name]) => name)).toEqual(['agent', 'curl', 'fleet', 'authorize', 'revoke']);
    const script = blocks.map(([, , code]) => code).join('\n');
    const result = await runShell(script, user.path, { THINGWARD_URL: url, THINGWARD_OWNER_KEY: ownerKeyIn(output)! });
    expect(result.code, result.output).toBe(0);
    expect(result.output.match(/device\.crt: OK/g)).toHaveLength(3);
    expect(result.output).toContain('"site":"berlin"');
    expect(result.output).toMatch(/"token":"twe_/);
    expect(result.output).toMatch(/"reason":"keyCompromise"/);
    expect(result.output).toMatch(/"decision":"allow","reasons":\["telemetry"\]/);
  });

  it('so do those of docs/revocation.md, the five lines of an edge among them', async () => {
    const text = readFileSync('docs/revocation.md', 'utf8');
    const blocks = new Map(
      [...text.matchAll(/<!-- test: (\w+) -->\s+```\w+\n([\s\S]*?)```/g)].map(([, name, code]) => [name!, code!]),
    );
    expect([...blocks.keys()]).toEqual(['bulk', 'edge']);
    const ownerKey = ownerKeyIn(output)!;
    const env = { THINGWARD_URL: url, THINGWARD_OWNER_KEY: ownerKey, PROXY_KEY: ownerKey };
    const bulk = await runShell(blocks.get('bulk')!, user.path, env);
    expect(bulk.output).toMatch(/"count":0/);
    expect(bulk.output).toMatch(/"status":"done"/);
    symlinkSync(process.cwd(), join(user.path, 'node_modules/thingward'));
    writeFileSync(join(user.path, 'edge.mjs'), `${blocks.get('edge')!}await revocations.close();`);
    expect(await runShell('node edge.mjs', user.path, env)).toEqual({ code: 0, output: 'true undefined\n' });
    const seen = await runShell('thingward revocation verify "$THINGWARD_URL" --key "$PROXY_KEY"', user.path, env);
    expect(seen.output).toMatch(/\d+ checks, 0 findings/);
  });
});

describe('starting and stopping', () => {
  it('a second start on the same folder ends with 1 and a clear line, and the first goes on', async () => {
    const { settings, remove } = await freshDatabase('embedded');
    const first = await startProgram(settings);
    const second = await runThingward(['serve'], {
      ...settings,
      THINGWARD_PORT: String(await freePort()),
    });
    expect(second).toMatchObject({ code: 1, output: expect.stringMatching(/is in use by another Thingward process/) });
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
    // As under npm, which passes on what the terminal has sent to the server already.
    first.process.kill('SIGINT');
    expect(await first.kill('SIGTERM')).toBe(0);
    remove();
  });

  it('says what is wrong with the settings, and starts nothing', async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ DATABASE_URL: 'postgresql://127.0.0.1/x' }, /DATABASE_URL needs THINGWARD_KEY.*openssl rand/],
      [{ NODE_ENV: 'production' }, /production needs THINGWARD_PKI_URL/],
      [{ THINGWARD_KEY: 'short' }, /THINGWARD_KEY must be 32 bytes/],
      [{ THINGWARD_KEY: Buffer.alloc(32).toString('base64') }, /THINGWARD_KEY is not random/],
      [{ THINGWARD_PKI_URL: 'https://pki.example.com' }, /THINGWARD_PKI_URL: must be an http: URL/],
      [{ THINGWARD_PORT: '99999' }, /THINGWARD_PORT/],
      [{ THINGWARD_TLS_CERT_FILE: 'x' }, /set both THINGWARD_TLS_CERT_FILE and THINGWARD_TLS_KEY_FILE/],
      [{ THINGWARD_KEY_FILE: '/nowhere' }, /THINGWARD_KEY_FILE names \/nowhere/],
      [{ THINGWARD_OWNER_KEY: 'twk_x' }, /THINGWARD_OWNER_KEY: must be twk_/],
      [{ THINGWARD_TRUSTED_PROXIES: 'nginx' }, /THINGWARD_TRUSTED_PROXIES: must be addresses or CIDRs/],
      [
        { DATABASE_URL: 'postgresql://127.0.0.1:1/x', THINGWARD_KEY: randomBytes(32).toString('base64') },
        /DATABASE_URL names a PostgreSQL that cannot be reached: .*ECONNREFUSED/,
      ],
    ];
    for (const [settings, message] of cases) {
      const data = newFolder();
      const result = await runThingward(['serve'], { THINGWARD_DATA_DIR: join(data, 'inner'), ...settings });
      expect(result.code, JSON.stringify(settings)).toBe(1);
      expect(result.output).toMatch(message);
      expect(existsSync(join(data, 'inner'))).toBe(false);
      remove(data);
    }
  });

  it('refuses a folder whose key is gone or is another', async () => {
    const { settings, remove } = await freshDatabase('embedded');
    const data = settings['THINGWARD_DATA_DIR']!;
    await (await startProgram(settings)).kill();
    const other = await runThingward(['serve'], {
      ...settings,
      THINGWARD_KEY: randomBytes(32).toString('hex'),
    });
    expect(other).toMatchObject({
      code: 1,
      output: expect.stringMatching(/not the key that this database was sealed with/),
    });
    rmSync(join(data, 'key'));
    const gone = await runThingward(['serve'], settings);
    expect(gone).toMatchObject({ code: 1, output: expect.stringMatching(/key is gone/) });
    expect(existsSync(join(data, 'key'))).toBe(false);
    remove();
  });

  it('says which port is taken', async () => {
    const { settings, remove } = await freshDatabase('embedded');
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const port = String((taken.address() as { port: number }).port);
    const result = await runThingward(['serve'], { ...settings, THINGWARD_PORT: port });
    expect(result).toMatchObject({
      code: 1,
      output: expect.stringMatching(/cannot listen on 127\.0\.0\.1 port \d+ \(EADDRINUSE\)/),
    });
    taken.close();
    remove();
  });
});

describeWith(['openssl', 'curl', 'certtool'], 'the server with TLS of its own', () => {
  it('speaks HTTPS, writes http: addresses into certificates, and a second judge agrees on the chain', async () => {
    const user = userFolder();
    await runShell(
      'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out ca.pem -days 9 -subj /CN=x -addext subjectAltName=IP:127.0.0.1',
      user.path,
    );
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const tls = {
      THINGWARD_TLS_CERT_FILE: join(user.path, 'ca.pem'),
      THINGWARD_TLS_KEY_FILE: join(user.path, 'k.pem'),
    };
    const database = await freshDatabase('embedded');
    const program = await startProgram({
      ...tls,
      ...database.settings,
      THINGWARD_OWNER_KEY: ownerKey,
    });
    const url = program.url.replace('http:', 'https:');
    const script = `
      ENROLLMENT=$(curl -sS --cacert ca.pem ${url}/v1/enrollments -H 'authorization: Bearer ${ownerKey}' -H 'content-type: application/json' \
        -d '{"thingNamePattern":"*","maxUses":1}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
      thingward agent provision --server ${url} --enrollment "$ENROLLMENT" --name tls-1 --out tls-1 --ca ca.pem
      thingward agent renew --force --out tls-1 --ca ca.pem
      openssl verify -x509_strict -CAfile tls-1/chain.pem tls-1/device.crt
      awk '/BEGIN/{n++} n==2' tls-1/chain.pem > root.pem
      awk '/BEGIN/{n++} n==1' tls-1/chain.pem > issuing.pem
      cat tls-1/device.crt issuing.pem > presented.pem
      certtool --verify --load-ca-certificate root.pem --infile presented.pem
      openssl x509 -in tls-1/device.crt -noout -text | grep URI:http`;
    const result = await runShell(script, user.path);
    await program.kill();
    database.remove();
    user.remove();
    expect(result.code, result.output).toBe(0);
    expect(result.output).toContain('device.crt: OK');
    expect(result.output).toContain('Chain verification output: Verified');
    expect(result.output.match(/URI:http:\/\//g)).toHaveLength(2);
    expect(result.output).not.toContain('URI:https');
  });
});

for (const kind of databaseKinds) {
  describeWith(['openssl', 'curl'], `commands for the operator on ${kind}`, () => {
    it('owner-key, rotate-token-key and restored do what they say', async () => {
      const database = await emptyDatabase(kind);
      const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
      const settings = { ...database.settings, THINGWARD_OWNER_KEY: ownerKey };
      let program: Program = await startProgram(settings);
      expect(program.output()).not.toContain('twk_');
      const numberOf = async () =>
        /CRL Number:\s+(\d+)/.exec(
          (
            await runShell(
              `curl -sSf --retry 30 --retry-all-errors ${program.url}/crl/bundle.pem | openssl crl -noout -text`,
              process.cwd(),
            )
          ).output,
        )?.[1];
      const before = Number(await numberOf());
      await program.kill();

      const recovered = await runThingward(['owner-key'], database.settings);
      expect(recovered.code, recovered.output).toBe(0);
      expect((await runThingward(['owner-key', 'nobody'], database.settings)).output).toContain(
        'there is no account nobody',
      );
      const linked = await runThingward(['owner-link'], database.settings);
      expect(linked).toMatchObject({ code: 0, output: expect.stringMatching(/console\/welcome#twl_[\w-]{43}\n/) });
      expect((await runThingward(['owner-link', 'nobody'], database.settings)).output).toContain(
        'there is no account nobody',
      );
      const rotated = await runThingward(['rotate-token-key', '--yes'], database.settings);
      expect(rotated).toMatchObject({ code: 0, output: expect.stringContaining('signs after ten minutes') });
      expect(await runThingward(['restored', '--accept-loss', '--yes'], database.settings)).toMatchObject({
        code: 0,
        output: expect.stringContaining('has started epoch'),
      });

      program = await startProgram(settings);
      const fresh = createClient(program.url, ownerKeyIn(recovered.output));
      expect((await fresh.get('/v1/api-keys')).body.items).toHaveLength(2);
      // The keys of before the restore are gone.
      expect((await fresh.get('/.well-known/jwks.json')).body.keys).toHaveLength(1);
      expect(Number(await numberOf())).toBeGreaterThan(before + 1_000_000 - 1);
      await program.kill();
      database.remove();
    });
  });
}
