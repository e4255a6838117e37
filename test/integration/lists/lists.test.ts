import 'reflect-metadata';
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Crl } from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginEpoch } from '../../../src/log/append.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { startServer, type TestServer } from '../../support/server.js';
import { runProgram } from '../../support/pki/openssl.js';

/** What openssl says, whatever its exit status. */
function judged(args: string[]): string {
  try {
    return runProgram('openssl', args);
  } catch (error) {
    return (error as Error).message;
  }
}

describe.each(databaseKinds)('lists on %s', (kind) => {
  let server: TestServer;
  let enrollment: string;
  let n = 0;
  const folder = mkdtempSync(join(tmpdir(), 'thingward-lists-'));
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  beforeAll(async () => {
    server = await startServer(kind);
    enrollment = (await enroll(server, { maxUses: 1000 })).token;
  });
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  // The server's clock was moved: openssl must go by the same.
  const attime = () => ['-attime', String(Math.ceil(server.now().getTime() / 1000))];
  const newDevice = () => provision(server, enrollment, `list-${n++}`);
  const revoke = async (device: Device, reason = 'privilegeWithdrawn') => {
    const answer = await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason });
    expect(answer.status, answer.text).toBe(200);
  };
  const configure = (issuer: string, settings: object) => server.owner.send('PATCH', `/v1/issuers/${issuer}`, settings);

  it('a list changes its number with its contents, and is the same bytes until then', async () => {
    const device = await newDevice();
    const path = `/crl/${issuerOf(device)}.crl`;
    const before = await fetchCrl(server, path);
    expect((await fetchCrl(server, path)).der.equals(before.der)).toBe(true);
    await revoke(device);
    const after = await fetchCrl(server, path);
    expect(after.number).toBeGreaterThan(before.number);
    expect(after.serials).toContain(serialOf(device));
    const pem = await (await fetch(`${server.url}${path.replace('.crl', '.pem')}`)).text();
    expect(Buffer.from(pem.replace(/-----.*-----|\n/g, ''), 'base64').equals(after.der)).toBe(true);
    expect(Math.max(...pem.split('\n').map(({ length }) => length))).toBe(64);
  });

  it('304 by ETag, and by time only where no other list has the same time', async () => {
    const device = await newDevice();
    const path = `/crl/${issuerOf(device)}.crl`;
    const first = await fetchCrl(server, path);
    const etag = first.headers.get('etag')!;
    const modified = first.headers.get('last-modified')!;
    expect(first.headers.get('cache-control')).toBe('public, max-age=0, must-revalidate');
    expect((await fetchCrl(server, path, { 'if-none-match': `"other", W/${etag}` })).status).toBe(304);
    await revoke(device);
    server.advance(2);
    const other = await newDevice();
    await revoke(other);
    const alone = await fetchCrl(server, path);
    expect((await fetchCrl(server, path, { 'if-none-match': etag })).status).toBe(200);
    expect((await fetchCrl(server, path, { 'if-modified-since': modified })).status).toBe(200);
    const time = alone.headers.get('last-modified')!;
    expect((await fetchCrl(server, path, { 'if-modified-since': time })).status).toBe(304);
    // Two lists within one second: the second must not be taken for the first.
    for (let tries = 0; ; tries++) {
      expect(tries).toBeLessThan(20);
      const a = await newDevice();
      await revoke(a);
      const one = await fetchCrl(server, path);
      const b = await newDevice();
      await revoke(b);
      const two = await fetchCrl(server, path);
      if (one.headers.get('last-modified') !== two.headers.get('last-modified')) continue;
      expect((await fetchCrl(server, path, { 'if-modified-since': one.headers.get('last-modified')! })).status).toBe(
        200,
      );
      break;
    }
  });

  it('the settings of an issuer decide on caching, superseded certificates and the distribution point', async () => {
    const device = await newDevice();
    const issuer = issuerOf(device);
    const listed = (await server.owner.get('/v1/issuers')).body.items as { id: string; kind: string }[];
    expect(listed.map(({ kind: which }) => which).sort()).toEqual(['issuing', 'root']);
    expect((await configure(issuer, { listMaxAge: 60, distributionPoint: true })).body).toMatchObject({
      id: issuer,
      listMaxAge: 60,
      distributionPoint: true,
    });
    const crl = await fetchCrl(server, `/crl/${issuer}.crl`);
    expect(crl.headers.get('cache-control')).toBe('public, max-age=60, must-revalidate');
    const text = runProgram('openssl', ['crl', '-inform', 'DER', '-in', file('idp.crl', crl.der), '-noout', '-text']);
    expect(text).toMatch(/Issuing Distribution Point: critical\s+Full Name:\s+URI:http:\/\/127\.0\.0\.1/);
    await configure(issuer, { listMaxAge: 0, distributionPoint: false });
    const plain = await fetchCrl(server, `/crl/${issuer}.crl`);
    expect(plain.number).toBeGreaterThan(crl.number);
    expect(new X509Crl(plain.der).extensions.map(({ type }) => type).sort()).toEqual(['2.5.29.20', '2.5.29.35']);
    const root = listed.find(({ kind: which }) => which === 'root')!.id;
    expect(problemOf(await configure(root, { shards: 4 }))).toBe('conflict');
    expect(problemOf(await configure('0'.repeat(16), { shards: 4 }))).toBe('not-found');
  });

  it('shards: a certificate names its list, the list names itself with the same bytes, and openssl goes by both', async () => {
    const whole = await newDevice();
    const issuer = issuerOf(whole);
    await configure(issuer, { shards: 3 });
    const devices = await Promise.all(Array.from({ length: 30 }, newDevice));
    const urls = new Set(devices.map(({ answer }) => answer.body.links.crl as string));
    expect(urls.size).toBe(3);
    const [revoked] = devices;
    await revoke(revoked!);
    await revoke(whole);
    const chain = (await (await fetch(`${server.url}/ca/chain.pem`)).text()).split(/(?<=-----END CERTIFICATE-----\n)/);
    const [issuing, root] = [file('int.pem', chain[0]!), file('root.pem', chain[1]!)];
    for (const device of devices) {
      const url = new URL(device.answer.body.links.crl as string);
      const shard = await fetchCrl(server, url.pathname);
      const der = new X509Certificate(pemOf(device)).raw;
      const name = Buffer.from(url.href, 'latin1');
      expect(der.includes(name) && shard.der.includes(name)).toBe(true);
      expect(shard.serials).toEqual(url.href === revoked!.answer.body.links.crl ? [serialOf(revoked!)] : []);
      const pem = await (await fetch(`${server.url}${url.pathname.replace('.crl', '.pem')}`)).text();
      const lists = file('shard.pem', pem);
      const leaf = file('leaf.pem', pemOf(device));
      const args = [
        'verify',
        '-CAfile',
        root,
        '-untrusted',
        issuing,
        '-CRLfile',
        lists,
        '-extended_crl',
        '-crl_check',
        ...attime(),
        leaf,
      ];
      const verdict = judged(args);
      expect(verdict).toContain(device === revoked ? 'certificate revoked' : 'OK');
    }
    const complete = await fetchCrl(server, `/crl/${issuer}.crl`);
    expect(complete.serials).toEqual(expect.arrayContaining([serialOf(revoked!), serialOf(whole)]));
    expect((await fetchCrl(server, `/crl/${issuer}/77.crl`)).status).toBe(404);
    await configure(issuer, { shards: 0 });
    const after = await newDevice();
    expect(after.answer.body.links.crl).toContain(`/crl/${issuer}.crl`);
  });

  it('a delta is opt-in, at its own URL, with the number of the complete list; openssl goes by base and delta', async () => {
    const [early, late, held] = [await newDevice(), await newDevice(), await newDevice()];
    const issuer = issuerOf(early);
    const path = `/crl/${issuer}/delta.crl`;
    expect((await fetchCrl(server, path)).status).toBe(404);
    await configure(issuer, { deltaList: true });
    await revoke(early);
    await revoke(held, 'certificateHold');
    const base = await fetchCrl(server, `/crl/${issuer}.crl`);
    const empty = await fetchCrl(server, path);
    expect([empty.number, empty.serials]).toEqual([base.number, []]);
    await revoke(late);
    await server.owner.post(`/v1/certificates/${serialOf(held)}/release`);
    const [complete, delta] = [await fetchCrl(server, `/crl/${issuer}.crl`), await fetchCrl(server, path)];
    expect(delta.number).toBe(complete.number);
    expect(delta.serials).toEqual([serialOf(late), serialOf(held)]);
    const deltaPem = await (await fetch(`${server.url}/crl/${issuer}/delta.pem`)).text();
    const text = runProgram('openssl', ['crl', '-in', file('delta.pem', deltaPem), '-noout', '-text']);
    expect(text).toMatch(/Delta CRL Indicator: critical/);
    expect(text).toContain('Remove From CRL');
    expect(complete.der.includes(Buffer.from('551d1b', 'hex'))).toBe(false);
    const bundle = await (await fetch(`${server.url}/crl/bundle.pem`)).text();
    expect(bundle).not.toContain(deltaPem.split('\n')[3]!);
    const chain = await (await fetch(`${server.url}/ca/chain.pem`)).text();
    const basePem = `-----BEGIN X509 CRL-----\n${base.der.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END X509 CRL-----\n`;
    const both = file('both.pem', basePem + deltaPem);
    const leaf = file('leaf.pem', pemOf(early));
    const flags = ['-crl_check', '-extended_crl', '-use_deltas', ...attime()];
    expect(judged(['verify', '-CAfile', file('chain.pem', chain), '-CRLfile', both, ...flags, leaf])).toContain(
      'certificate revoked',
    );
    await configure(issuer, { deltaList: false });
  });

  it('two instances sign by turns: numbers only rise, and each serves the bytes that the other signed', async () => {
    if (kind !== 'postgresql') return;
    const { settings } = await freshDatabase('postgresql');
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const common = { ...settings, THINGWARD_OWNER_KEY: ownerKey };
    const first = await startServer('postgresql', common);
    const second = await startServer('postgresql', common);
    try {
      const token = (await enroll(first, { maxUses: 1000 })).token;
      let last = 0n;
      const counts = { lists: 0, steps: 0, shared: 0 };
      for (let round = 0; round < 40; round++) {
        const device = await provision(first, token, `two-${round}`);
        const writer = round % 2 === 0 ? first : second;
        await writer.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, {
          reason: 'keyCompromise',
        });
        const path = `/crl/${issuerOf(device)}.crl`;
        const [a, b] = await Promise.all([fetchCrl(first, path), fetchCrl(second, path)]);
        const [c, d] = [await fetchCrl(second, path), await fetchCrl(first, path)];
        for (const crl of [a, b, c, d]) expect(crl.serials).toContain(serialOf(device));
        expect(c.number >= a.number && c.number >= b.number && a.number > last).toBe(true);
        expect(d.number).toBe(c.number);
        expect(d.der.equals(c.der)).toBe(true);
        counts.lists += 4;
        counts.shared++;
        last = d.number;
        // Clocks that step by an hour: what is from the future is signed anew, with the next number.
        if (round % 5 === 4) {
          (round % 2 === 0 ? first : second).advance(round % 10 === 4 ? 3600 : -3600);
          counts.steps++;
        }
      }
      console.log(`two publishers: ${JSON.stringify(counts)} numbers up to ${last}, never back`);
      await first.database.client.$transaction(beginEpoch);
      const [issuer] = (await first.owner.get('/v1/issuers')).body.items as { id: string }[];
      const restored = await fetchCrl(second, `/crl/${issuer!.id}.crl`);
      expect(restored.number).toBeGreaterThan(last + 900_000n);
    } finally {
      await second.stop();
      await first.stop();
    }
  });
});
