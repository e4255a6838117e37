import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listsIn, readCrl } from '../../../src/pki/read.js';
import { openRoot } from '../../../src/pki/sealed-root.js';
import { createClient, type Client } from '../../support/client.js';
import { databaseKinds, freshDatabase, type TestDatabase } from '../../support/databases/databases.js';
import { enroll, pemOf, provision } from '../../support/fleet.js';
import { serialOf } from '../../support/pki/crl.js';
import { caExtensions, createExternalRoot } from '../../support/pki/external-root.js';
import { runProgram } from '../../support/pki/openssl.js';
import { describeWith } from '../../support/programs.js';
import { startProgram, type Program } from '../../support/program.js';
import { runThingward } from '../../support/shell.js';
import { startServer } from '../../support/server.js';

const passphrase = 'correct horse battery staple';
const certificatesIn = (pem: string): string[] => pem.split(/(?<=-----END CERTIFICATE-----\n)/).filter(Boolean);

describeWith(['openssl'], 'a root whose key leaves', () => {
  describe.each(databaseKinds)('on %s', (kind) => {
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    let database: TestDatabase;
    let program: Program | undefined;
    let folder: string;
    let enrollment: string;
    const at = (name: string): string => join(folder, name);
    const file = (name: string, text: string): string => {
      writeFileSync(at(name), text);
      return at(name);
    };
    const text = async (path: string): Promise<string> => (await (await up()).get(path)).text;
    /** The owner at a running server: a command may have had an embedded database for itself. */
    const up = async (): Promise<Client> => {
      program ??= await startProgram({ ...database.settings, THINGWARD_OWNER_KEY: ownerKey });
      return createClient(program.url, ownerKey);
    };
    /** Runs a command of the operator; beside the server where the database allows it. */
    const command = async (...args: string[]) => {
      if (kind === 'embedded') {
        await program?.kill();
        program = undefined;
      }
      return runThingward(args, database.settings);
    };
    const sealed = () => ['--passphrase-file', at('passphrase')];
    const byHand = (...args: string[]) => runThingward([...args, ...sealed()]);
    const root = async () => {
      const { items } = (await (await up()).get('/v1/issuers')).body as { items: Record<string, string>[] };
      return items.find((each) => each['kind'] === 'root')!;
    };

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'thingward-offline-'));
      database = await freshDatabase(kind);
      file('passphrase', `${passphrase}\n`);
      enrollment = (await enroll({ owner: await up() })).token;
    });
    afterAll(async () => {
      await program?.kill();
      database.remove();
      rmSync(folder, { recursive: true, force: true });
    });
    const device = async (name: string) => {
      await up();
      return provision({ as: (token) => createClient(program!.url, token) }, enrollment, name);
    };

    const verify = async (pem: string): Promise<string> => {
      const bundle = file('bundle.pem', await text('/crl/bundle.pem'));
      const chain = certificatesIn(await text('/ca/chain.pem'));
      const roots = chain.filter((each) => new X509Certificate(each).subject === new X509Certificate(each).issuer);
      return runProgram('openssl', [
        ...['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', file('roots.pem', roots.join(''))],
        ...['-untrusted', file('chain.pem', chain.join('')), '-CRLfile', bundle, '-crl_check_all'],
        file('device.pem', pem),
      ]);
    };

    it('is sealed into a file, once, and the database has neither its key nor another use for it', async () => {
      const before = await device('before');
      file('short', 'short');
      const short = await command('export-root', '--yes', '--out', at('root.json'), '--passphrase-file', at('short'));
      expect([short.code, short.output]).toEqual([1, expect.stringContaining('at least 12 characters')]);
      expect(
        (await command('export-root', '--yes', '--days', '401', '--out', at('root.json'), ...sealed())).output,
      ).toContain('from 1 to 400');
      const done = await command('export-root', '--yes', '--out', at('root.json'), ...sealed());
      expect([done.code, done.output]).toEqual([0, expect.stringContaining('its key is no longer in the database')]);
      expect(statSync(at('root.json')).mode & 0o777).toBe(0o600);
      const opened = openRoot(readFileSync(at('root.json'), 'utf8'), passphrase);
      expect(readFileSync(at('root.json'), 'utf8')).not.toContain(opened.key.split('\n')[1]);
      const { id, keyPlace, listEnds } = await root();
      expect(keyPlace).toBe('elsewhere');
      const days = (Date.parse(listEnds!) - Date.now()) / 86_400_000;
      expect([days > 399, days <= 400]).toEqual([true, true]);
      expect(await text(`/crl/${id}.pem`)).toBe(opened.list);
      expect(await verify(pemOf(before))).toContain('OK');
      const again = await command('export-root', '--yes', '--out', at('again.json'), ...sealed());
      expect([again.code, again.output]).toEqual([1, expect.stringContaining('was exported already')]);
      const refused = await (await up()).post('/v1/issuers', { kind: 'issuing' });
      expect([refused.status, refused.body.detail]).toEqual([
        409,
        expect.stringContaining('the key of the root is not here'),
      ]);
    });

    it('signs later lists by hand, which are taken by number and signature alone', async () => {
      const { id } = await root();
      const first = file('first.pem', await text(`/crl/${id}.pem`));
      const next = await byHand('root-list', at('root.json'), '--out', at('next.pem'), '--days', '90');
      expect([next.code, next.output]).toEqual([0, expect.stringContaining('is in')]);
      expect((await command('import-list', at('next.pem'))).output).toContain('is served now');
      expect(await text(`/crl/${id}.pem`)).toBe(readFileSync(at('next.pem'), 'utf8'));
      for (const old of [first, at('next.pem')])
        expect((await command('import-list', old)).output).toContain('sign one with a higher number');
      const [der] = listsIn(readFileSync(at('next.pem')));
      der![der!.length - 1]! ^= 1;
      writeFileSync(at('bent.der'), der!);
      expect((await command('import-list', at('bent.der'))).output).toContain(
        'no authority whose key is elsewhere signed it',
      );
      const stranger = createExternalRoot('/CN=Stranger');
      expect((await command('import-list', file('strange.pem', stranger.list(9)))).code).toBe(1);
      stranger.remove();
      expect((await command('import-list', at('passphrase'))).output).toContain('has no list in it');
      const after = await byHand('root-list', at('root.json'), '--after', at('next.pem'), '--out', at('third.pem'));
      expect(after.code).toBe(0);
      const [second, third] = ['next.pem', 'third.pem'].map((name) => readCrl(listsIn(readFileSync(at(name)))[0]!));
      expect(third!.number).toBe(second!.number + 1n);
      file('passphrase', 'another passphrase');
      expect((await byHand('root-list', at('root.json'), '--out', at('no.pem'))).output).toContain(
        'not the one of this file',
      );
      file('passphrase', passphrase);
    });

    it('signs the CA that follows, which issues, and everything verifies with every list', async () => {
      const made = (await (await up()).post('/v1/issuers', { kind: 'intermediate' })).body as { id: string };
      file('ca.csr', (await (await up()).get(`/v1/issuers/${made.id}/csr`)).text);
      const { crl } = await root();
      const signed = await byHand('root-sign', at('root.json'), at('ca.csr'), '--crl', crl!, '--out', at('ca.pem'));
      expect([signed.code, signed.output]).toEqual([0, expect.stringContaining('takes both')]);
      const certificate = readFileSync(at('ca.pem'), 'utf8');
      const put = await (await up()).send('PUT', `/v1/issuers/${made.id}/certificate`, { certificate });
      expect([put.status, put.body.parent]).toEqual([200, (await root())['id']]);
      expect((await (await up()).post(`/v1/issuers/${made.id}/activate`)).status).toBe(200);
      const [good, revoked] = [await device('good'), await device('revoked')];
      expect(good.answer.body.links.crl).toContain(made.id);
      await (await up()).post(`/v1/certificates/${serialOf(revoked)}/revoke`, { reason: 'keyCompromise' });
      expect(await verify(pemOf(good))).toContain('OK');
      await expect(verify(pemOf(revoked))).rejects.toThrow('certificate revoked');
    });

    it('a root of your own brings its list too, which may drop nothing unseen', async () => {
      const outside = createExternalRoot();
      const made = (await (await up()).post('/v1/issuers', { kind: 'intermediate' })).body as { id: string };
      const csr = (await (await up()).get(`/v1/issuers/${made.id}/csr`)).text;
      const certificate = outside.sign(csr, caExtensions(0)) + outside.pem;
      await (await up()).send('PUT', `/v1/issuers/${made.id}/certificate`, { certificate });
      await (await up()).post(`/v1/issuers/${made.id}/activate`);
      const good = await device('outside');
      await expect(verify(pemOf(good))).rejects.toThrow('unable to get certificate CRL');
      const list = file('works.pem', outside.list(7));
      expect((await command('import-list', list)).output).toContain('The list 7 of');
      expect(await verify(pemOf(good))).toContain('OK');
      outside.remove();
    });
  });
});

describe.each(databaseKinds)('the list of a root whose key is elsewhere, on %s', (kind) => {
  it('is warned of at half of its life: in the log, as a figure and by a rule; and leaves the bundle when it ends', async () => {
    const server = await startServer(kind);
    const { offline, chores } = server.services;
    const watch = async (): Promise<number> => {
      await chores.run('watch-imported-lists');
      const text = (await server.as(undefined).get('/metrics')).text;
      return Number(/^thingward_imported_lists_old (\d+)$/m.exec(text)![1]);
    };
    const lists = async () => (await (await fetch(`${server.url}/crl/bundle.pem`)).text()).split('END X509').length - 1;
    const { nextUpdate } = await offline.exportRoot('default', 400, async () => {}, { actor: 'test' });
    expect(nextUpdate.getTime() - server.now().getTime()).toBeGreaterThan(399 * 86_400_000);
    expect([await watch(), await lists()]).toEqual([0, 2]);
    const rules = (await server.owner.get('/v1/alerts/rules')).body.items as { builtIn: string; metric: string }[];
    expect(rules.find(({ builtIn }) => builtIn === 'imported-list-old')).toMatchObject({ metric: 'lists.imported' });
    server.advance(199 * 86_400);
    expect(await watch()).toBe(0);
    server.advance(2 * 86_400);
    expect([await watch(), await lists()]).toEqual([1, 2]);
    server.advance(200 * 86_400);
    expect(await watch()).toBe(1);
    expect(await lists()).toBe(1);
    await server.stop();
  });
});
