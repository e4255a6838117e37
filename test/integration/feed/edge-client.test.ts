import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followRevocations, openGapList, openStatusList, type Revocations } from '../../../src/edge/client.js';
import type { FeedEntry } from '../../../src/edge/revoked-set.js';
import { sql } from '../../../src/db/client.js';
import { beginEpoch } from '../../../src/log/append.js';
import { problemOf } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { freePort } from '../../support/ports.js';
import { startServer, type TestServer } from '../../support/server.js';

const serialOf = ({ answer }: Device): string => answer.body.certificate.serialNumber as string;
const fingerprintOf = ({ answer }: Device): string => answer.body.certificate.fingerprint as string;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 300_000; !(await holds());) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe.each(databaseKinds)('edges on %s', (kind) => {
  let server: TestServer;
  let token: string;
  let key: string;
  let n = 0;
  const open: Revocations[] = [];

  beforeAll(async () => {
    server = await startServer(kind);
    token = (await enroll(server, { maxUses: 1000 })).token;
    key = (await server.owner.post('/v1/api-keys', { role: 'proxy' })).body.key;
  });
  afterAll(async () => {
    await Promise.all(open.map((each) => each.close()));
    await server.stop();
  });

  const newDevice = () => provision(server, token, `edge-${n++}`);
  const revoke = async (device: Device, reason = 'privilegeWithdrawn') =>
    (await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason })).body as {
      position: number;
      cursor: string;
    };
  const follow = async (name: string, extra: object = {}) => {
    const revocations = await followRevocations({ server: server.url, key, name, ...extra });
    open.push(revocations);
    return revocations;
  };
  const receipt = async (position: number) => (await server.owner.get(`/v1/revocations/${position}`)).body;

  it('knows what was revoked before, hears of what is revoked now, and of releases; its receipt says since when', async () => {
    const [before, now, held] = [await newDevice(), await newDevice(), await newDevice()];
    await revoke(before);
    const heard: FeedEntry[] = [];
    const edge = await follow('edge-1', { onRevoked: (entry: FeedEntry) => heard.push(entry) });
    expect([
      edge.isRevoked(fingerprintOf(before)),
      edge.isRevoked(serialOf(before)),
      edge.isRevoked(fingerprintOf(now)),
    ]).toEqual(['privilegeWithdrawn', 'privilegeWithdrawn', undefined]);
    expect(edge.isTrusted()).toBe(true);
    const { position } = await revoke(now);
    await until('the edge hears of it', () => edge.isRevoked(fingerprintOf(now)) !== undefined);
    expect(edge.mode()).toBe('stream');
    expect(heard.at(-1)).toMatchObject({ type: 'certificate', thingName: now.name, fingerprint: fingerprintOf(now) });
    await until('the edge confirms', async () => (await receipt(position)).enforced);
    expect(await receipt(position)).toMatchObject({
      position,
      type: 'certificate',
      thingName: now.name,
      enforced: true,
      enforcedBy: [{ id: edge.proxyId, name: 'edge-1', mode: 'stream', since: expect.stringMatching(/Z$/) }],
      notEnforcedBy: [],
    });
    await revoke(held, 'certificateHold');
    await until('the hold arrives', () => edge.isRevoked(fingerprintOf(held)) === 'certificateHold');
    await server.owner.post(`/v1/certificates/${serialOf(held)}/release`);
    await until('the release arrives', () => edge.isRevoked(fingerprintOf(held)) === undefined);
    await server.owner.post(`/v1/things/${held.name}/suspend`);
    await until('the suspension arrives', () => edge.thingStatus(held.name) === 'suspended');
    await server.owner.post(`/v1/things/${held.name}/resume`);
    await until('the resumption arrives', () => edge.thingStatus(held.name) === undefined);
    await edge.close();
  });

  it('a proxy is one by its name; it never confirms ahead of the head, nor in another epoch, nor for another account', async () => {
    const proxy = server.as(key);
    const first = await proxy.post('/v1/proxies', { name: 'manual' });
    expect(first.status).toBe(201);
    const again = await proxy.post('/v1/proxies', { name: 'manual' });
    expect([again.status, again.body.id]).toEqual([200, first.body.id]);
    const path = `/v1/proxies/${first.body.id as string}/applied`;
    const { position, cursor } = await revoke(await newDevice());
    const applied = (at: string, incarnation = 'run-1') =>
      proxy.post(path, { cursor: at, incarnation, mode: 'stream' });
    const ahead = cursor.replace(/\d+$/, String(position + 100_000));
    expect(problemOf(await applied(ahead))).toBe('conflict');
    expect(problemOf(await applied(`00000000-0000-4000-8000-000000000000:${position}`))).toBe('epoch-changed');
    expect((await receipt(position)).notEnforcedBy).toContainEqual(
      expect.objectContaining({ name: 'manual', stale: true }),
    );
    expect((await applied(cursor)).body).toMatchObject({
      name: 'manual',
      position,
      stale: false,
      incarnation: 'run-1',
    });
    const { since } = (await receipt(position)).enforcedBy.find(({ name }: { name: string }) => name === 'manual');
    // Confirmed once more, later, and out of order: the first time stays.
    await applied(cursor.replace(/\d+$/, String(position - 1)));
    expect((await receipt(position)).enforcedBy.find(({ name }: { name: string }) => name === 'manual')).toMatchObject({
      since,
    });
    // Another run has forgotten what the one before had applied.
    await applied(cursor.replace(/\d+$/, String(position - 1)), 'run-2');
    expect((await receipt(position)).notEnforcedBy.map(({ name }: { name: string }) => name)).toContain('manual');
    const acme = (await server.owner.post('/v1/accounts', { name: `acme-${kind}` })).body.ownerKey as string;
    expect((await server.as(acme).post(path, { cursor, incarnation: 'x', mode: 'poll' })).status).toBe(404);
    expect((await server.as(acme).get(`/v1/revocations/${position}`)).status).toBe(404);
    expect((await server.as(acme).get('/v1/proxies')).body.items).toEqual([]);
    // Nobody speaks for a proxy of another key, nor takes its name; whoever only reads registers none.
    const other = server.as((await server.owner.post('/v1/api-keys', { role: 'proxy' })).body.key as string);
    expect(problemOf(await other.post(path, { cursor, incarnation: 'run-2', mode: 'stream' }))).toBe('forbidden');
    expect(problemOf(await other.post('/v1/proxies', { name: 'manual' }))).toBe('conflict');
    const auditor = server.as((await server.owner.post('/v1/api-keys', { role: 'auditor' })).body.key as string);
    expect(problemOf(await auditor.post(path, { cursor, incarnation: 'run-2', mode: 'stream' }))).toBe('forbidden');
    expect(problemOf(await auditor.post('/v1/proxies', { name: 'mine' }))).toBe('forbidden');
    expect((await server.owner.send('DELETE', `/v1/proxies/${first.body.id as string}`)).status).toBe(204);
    expect((await applied(cursor)).status).toBe(404);
  });

  it('a proxy that is silent for 15 seconds is stale, and stale is not enforcing, until it speaks again', async () => {
    const proxy = server.as(key);
    const { body } = await proxy.post('/v1/proxies', { name: 'silent' });
    const { position, cursor } = await revoke(await newDevice());
    const confirm = () =>
      proxy.post(`/v1/proxies/${body.id as string}/applied`, { cursor, incarnation: 'one', mode: 'poll' });
    await confirm();
    const by = async () => (await receipt(position)).enforcedBy.map(({ name }: { name: string }) => name) as string[];
    expect(await by()).toContain('silent');
    await server.database.client.$executeRaw(
      sql`UPDATE proxies SET confirmed_at = confirmed_at - interval '15.5 seconds' WHERE name = 'silent'`,
    );
    expect(await by()).not.toContain('silent');
    expect((await receipt(position)).notEnforcedBy).toContainEqual(
      expect.objectContaining({ name: 'silent', stale: true, position }),
    );
    await confirm();
    expect(await by()).toContain('silent');
  });

  it('where streams do not get through it polls; where nothing does it distrusts itself, and it comes back by itself', async () => {
    // A proxy that passes everything but streams, and can be shut.
    let shut = false;
    const middle = createServer((request, response) => {
      if (shut) return void request.socket.destroy();
      if (request.url!.includes('/stream')) return;
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {};
        const headers = { authorization: request.headers.authorization!, 'content-type': 'application/json' };
        void fetch(`${server.url}${request.url}`, { method: request.method!, headers, ...body }).then(
          async (answer) => {
            response.writeHead(answer.status, { 'content-type': 'application/json' });
            response.end(Buffer.from(await answer.arrayBuffer()));
          },
        );
      });
    });
    middle.listen(await freePort(), '127.0.0.1');
    await once(middle, 'listening');
    const url = `http://127.0.0.1:${(middle.address() as AddressInfo).port}`;
    let at = 0;
    const edge = await follow('edge-poll', { server: url, onError: () => {}, now: () => at });
    try {
      await until('it polls', () => edge.mode() === 'poll');
      const device = await newDevice();
      const { position } = await revoke(device);
      await until('a page brings it', () => edge.isRevoked(fingerprintOf(device)) !== undefined);
      await until('the receipt says poll', async () =>
        (await receipt(position)).enforcedBy.some(
          ({ name, mode }: { name: string; mode: string }) => name === 'edge-poll' && mode === 'poll',
        ),
      );
      expect(edge.isTrusted()).toBe(true);
      shut = true;
      at += 14_999;
      expect(edge.isTrusted()).toBe(true);
      at += 1;
      expect(edge.isTrusted()).toBe(false);
      shut = false;
      await until('it is trusted again', () => edge.isTrusted());
    } finally {
      await edge.close();
      middle.closeAllConnections();
      middle.close();
    }
  });

  it('both compact lists say what the CRL says, by the index in the certificate, and change with it', async () => {
    const devices = await Promise.all(Array.from({ length: 30 }, newDevice));
    const issuer = /crl\/([0-9a-f]{16})/.exec(devices[0]!.answer.body.links.crl as string)![1]!;
    for (const device of devices.slice(0, 7))
      await revoke(device, device === devices[0] ? 'certificateHold' : 'unspecified');
    await server.owner.post(`/v1/certificates/${serialOf(devices[0]!)}/release`);
    const rows = await server.database.client.certificate.findMany({
      select: { serialNumber: true, issuerIndex: true, revokedAt: true },
    });
    const { keys } = (await server.as(undefined).get('/.well-known/jwks.json')).body;
    const at = { keys, now: server.now() };
    const url = `${server.url}/status/${issuer}`;
    const gapBytes = Buffer.from(await (await fetch(`${url}.gaps`)).arrayBuffer());
    const response = await fetch(url);
    expect(response.headers.get('content-type')).toContain('application/statuslist+jwt');
    const jwt = await response.text();
    const [gaps, status] = [openGapList(gapBytes, issuer, at), openStatusList(jwt, url, at)];
    let revoked = 0;
    for (const { issuerIndex, revokedAt } of rows) {
      const index = Number(issuerIndex);
      expect([gaps.isRevoked(index), status.isRevoked(index)]).toEqual([revokedAt !== null, revokedAt !== null]);
      if (revokedAt) revoked++;
    }
    expect(revoked).toBeGreaterThan(5);
    // The index is in the certificate, where an edge finds it.
    const certificate = rows.find(({ serialNumber }) => serialNumber === serialOf(devices[1]!))!;
    expect(gaps.isRevoked(Number(certificate.issuerIndex))).toBe(true);
    // Another library reads the status list and agrees.
    const { getListFromStatusListJWT } = await import('@sd-jwt/jwt-status-list');
    const list = getListFromStatusListJWT(jwt);
    for (const { issuerIndex, revokedAt } of rows) expect(list.getStatus(Number(issuerIndex))).toBe(revokedAt ? 1 : 0);
    const tag = response.headers.get('etag')!;
    expect((await fetch(url, { headers: { 'if-none-match': tag } })).status).toBe(304);
    await revoke(devices[20]!);
    const later = openGapList(Buffer.from(await (await fetch(`${url}.gaps`)).arrayBuffer()), issuer, at);
    const row = rows.find(({ serialNumber }) => serialNumber === serialOf(devices[20]!))!;
    expect([gaps.isRevoked(Number(row.issuerIndex)), later.isRevoked(Number(row.issuerIndex))]).toEqual([false, true]);
    // Neither a changed octet, nor another CA's, nor an old one is taken.
    for (let octet = 0; octet < gapBytes.length; octet += 7) {
      const bent = Buffer.from(gapBytes);
      bent[octet]! ^= 1;
      expect(() => openGapList(bent, issuer, at), `octet ${octet}`).toThrow();
    }
    expect(() => openGapList(gapBytes, '0'.repeat(16), at)).toThrow('not to');
    expect(() =>
      openGapList(gapBytes, issuer, { keys, now: new Date(server.now().getTime() + 2 * 86_400_000) }),
    ).toThrow('ended');
    expect(() => openStatusList(jwt, `${url}x`, at)).toThrow('not to');
    const [head, , signature] = jwt.split('.') as [string, string, string];
    const forged = Buffer.from(
      JSON.stringify({ sub: url, iat: 1, exp: 9e9, status_list: { bits: 1, lst: 'eNpjYAAAAAEAAQ' } }),
    ).toString('base64url');
    expect(() => openStatusList(`${head}.${forged}.${signature}`, url, at)).toThrow('signature');
  });

  // Last, because it leaves a wide gap in the indices.
  it('a restored backup makes it read a snapshot again', async () => {
    let reloads = 0;
    const edge = await follow('edge-restore', { onReload: () => reloads++, onError: () => {} });
    await server.database.client.$transaction(beginEpoch);
    const device = await newDevice();
    await revoke(device);
    await until('it reads again', () => reloads > 1 && edge.isRevoked(fingerprintOf(device)) !== undefined);
    await edge.close();
  });
});
