import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient, type Client } from '../../support/client.js';
import { emptyDatabase, databaseKinds, type TestDatabase } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { createExternalRoot, type ExternalRoot } from '../../support/pki/external-root.js';
import { describeWith } from '../../support/programs.js';
import { startProgram, type Program } from '../../support/program.js';
import { runShell, userFolder } from '../../support/shell.js';

const paper = readFileSync('docs/ca-life.md', 'utf8');
const blocks = new Map(
  [...paper.matchAll(/<!-- test: ([\w-]+) -->\n\n```sh\n([^]*?)```/g)].map(([, name, text]) => [name!, text!]),
);
const helper = /^api\(\).*$/m.exec(paper)![0];

describeWith(['openssl', 'curl'], 'docs/ca-life.md, to the letter', () => {
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  const key = randomBytes(32).toString('base64');
  // Beside a PostgreSQL the commands run while the server does.
  const kind = databaseKinds.at(-1)!;
  const user = userFolder();
  const at = (name: string): string => join(user.path, name);
  let database: TestDatabase;
  let program: Program;
  let owner: Client;
  let outside: ExternalRoot;
  let token: string;
  let settings: Record<string, string>;

  const start = async (): Promise<void> => {
    program = await startProgram({ ...settings, THINGWARD_OWNER_KEY: ownerKey });
    owner = createClient(program.url, ownerKey);
  };
  const shell = async (script: string, env: Record<string, string> = {}): Promise<string> => {
    const access = { THINGWARD_URL: program.url, THINGWARD_OWNER_KEY: ownerKey };
    const done = await runShell(`${helper}\n${script}`, user.path, { ...settings, ...access, ...env });
    expect(done.code, done.output).toBe(0);
    return done.output;
  };
  const run = (name: string, env: Record<string, string> = {}, more = '') => shell(`${blocks.get(name)!}${more}`, env);
  /** A command of the operator: an embedded database it has for itself. */
  const alone = async (name: string, env: Record<string, string> = {}): Promise<string> => {
    if (kind === 'embedded') await program.kill();
    const output = await run(name, env);
    if (kind === 'embedded') await start();
    return output;
  };
  const statusOf = async (id: string) => (await owner.get(`/v1/issuers/${id}`)).body.status as string;
  const issuerOfNew = async (name: string): Promise<string> => {
    const made = await provision({ as: (credential) => createClient(program.url, credential) }, token, name);
    return made.answer.body.links.crl as string;
  };

  beforeAll(async () => {
    database = await emptyDatabase(kind);
    settings = { ...database.settings, THINGWARD_KEY: key };
    await start();
    ({ token } = await enroll({ owner }));
    outside = createExternalRoot();
    for (const name of ['root.pem', 'root.key']) writeFileSync(at(name), readFileSync(outside.at(name)));
    writeFileSync(at('root-list.pem'), outside.list(1));
    writeFileSync(at('passphrase'), 'correct horse battery staple\n');
  });
  afterAll(async () => {
    await program.kill();
    database.remove();
    outside.remove();
    user.remove();
  });

  it('replaces the issuing CA', async () => {
    const next = (await run('prepare', {}, 'printf %s "$NEXT"')).trim();
    expect(readFileSync(at('chain.pem'), 'utf8').split('BEGIN').length - 1).toBe(3);
    expect(readFileSync(at('bundle.pem'), 'utf8').split('BEGIN').length - 1).toBe(3);
    expect(await statusOf(next)).toBe('prepared');
    expect(await run('activate', { NEXT: next })).toContain('"active"');
    expect(await issuerOfNew('pump-1')).toContain(next);
  });

  it('takes an intermediate of a root elsewhere', async () => {
    const own = (await run('request', {}, 'printf %s "$OWN"')).trim();
    await run('sign');
    expect(await run('certificate', { OWN: own })).toContain('"prepared"');
    expect(await alone('import')).toContain('The list 1 of');
    await owner.post(`/v1/issuers/${own}/activate`);
    expect(await issuerOfNew('pump-2')).toContain(own);
  });

  it('takes the root away, and brings its lists and the CA after it', async () => {
    expect(await alone('export')).toContain('no longer in the database');
    const { items } = (await owner.get('/v1/issuers')).body as { items: Record<string, string>[] };
    const root = items.find(
      (each) => each['listEnds'] && Date.parse(each['listEnds']) > Date.now() + 300 * 86_400_000,
    )!;
    const [fetching, signing, bringing] = blocks.get('list')!.trim().split('\n') as [string, string, string];
    await shell(fetching, { ROOT: root['id']! });
    if (kind === 'embedded') await program.kill();
    expect(await shell(`${signing}\n${bringing}`)).toContain('is served now');
    if (kind === 'embedded') await start();
    const own = (await run('request', {}, 'printf %s "$OWN"')).trim();
    await run('root-sign', { ROOT_LIST_URL: root['crl']! });
    expect(await shell(blocks.get('certificate')!.replace('ca.pem root.pem', 'signed.pem'), { OWN: own })).toContain(
      root['id'],
    );
  });

  it('changes the sealing key', async () => {
    await program.kill();
    settings = { ...settings, THINGWARD_KEY: randomBytes(32).toString('base64'), THINGWARD_KEY_PREVIOUS: key };
    await start();
    expect(await alone('reseal')).toMatch(/All \d+ secrets are sealed with the new key/);
    await program.kill();
    const { THINGWARD_KEY_PREVIOUS: _, ...rest } = settings;
    settings = rest;
    await start();
    expect(await issuerOfNew('pump-3')).toMatch(/crl/);
    expect([...blocks.keys()].sort()).toEqual(
      [
        'activate',
        'certificate',
        'export',
        'import',
        'list',
        'prepare',
        'request',
        'reseal',
        'root-sign',
        'sign',
      ].sort(),
    );
  });
});
