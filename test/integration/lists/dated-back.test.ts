import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/client.js';
import { encodeOcspRequest, readChain } from '../../../src/observer/authority.js';
import { readCrl, readOcsp } from '../../../src/pki/read.js';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const hour = 3_600_000;
const day = 24 * hour;
const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;

const wholeSeconds = (at: Date): number => Math.floor(at.getTime() / 1000) * 1000;

type Times = { number: bigint; thisUpdate: number; nextUpdate: number; revoked: number | undefined; signedAt: number };

async function timesOf(server: TestServer, path: string): Promise<Times & { der: Buffer }> {
  const { der, headers } = await fetchCrl(server, path);
  const { number, thisUpdate, nextUpdate, lastRevocation } = readCrl(der);
  return {
    der,
    number,
    thisUpdate: thisUpdate.getTime(),
    nextUpdate: nextUpdate.getTime(),
    revoked: lastRevocation?.getTime(),
    signedAt: Date.parse(headers.get('last-modified')!),
  };
}

const revoke = async (server: TestServer, device: Device): Promise<number> => {
  const { body } = await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'keyCompromise' });
  return Date.parse(body.revokedAt as string);
};

describe.each(databaseKinds)('lists and answers are dated back on %s', (kind) => {
  it('thisUpdate and revocationDate by an hour, from the first list on; caches, renewal and the API have the true times', async () => {
    const server = await startServer(kind);
    try {
      const device = await provision(server, (await enroll(server)).token, 'device');
      const path = `/crl/${issuerOf(device)}.crl`;
      const start = wholeSeconds(server.now());
      const first = await timesOf(server, path);
      expect(first.signedAt).toBeGreaterThanOrEqual(start);
      expect(first.signedAt).toBeLessThanOrEqual(server.now().getTime());
      expect([first.signedAt - first.thisUpdate, first.nextUpdate - first.signedAt]).toEqual([hour, 7 * day]);
      const revokedAt = await revoke(server, device);
      expect(revokedAt).toBeGreaterThanOrEqual(start);
      const second = await timesOf(server, path);
      expect(revokedAt - second.revoked!).toBe(hour);
      expect(second.revoked).toBeLessThanOrEqual(second.thisUpdate);
      const stored = (await server.owner.get(`/v1/certificates/${serialOf(device)}`)).body;
      expect(Date.parse(stored.revokedAt as string)).toBe(revokedAt);
      // A list lives a day from when it was signed, not from its thisUpdate.
      const travel = (ms: number) => server.advance((second.signedAt + ms - server.now().getTime()) / 1000);
      travel(day - 5000);
      expect((await timesOf(server, path)).number).toBe(second.number);
      travel(day + 5000);
      expect((await timesOf(server, path)).number).toBe(second.number + 1n);
    } finally {
      await server.stop();
    }
  });

  it('OCSP alike: an hour back, and an hour from the signature on', async () => {
    const server = await startServer(kind);
    try {
      const device = await provision(server, (await enroll(server)).token, 'device');
      const revokedAt = await revoke(server, device);
      const issuing = readChain((await server.as(undefined).get('/ca/chain.pem')).text)[0]!;
      const before = wholeSeconds(server.now());
      const response = await fetch(
        `${server.url}/ocsp/${encodeOcspRequest(issuing, [serialOf(device)]).toString('base64url')}`,
      );
      const bytes = Buffer.from(await response.arrayBuffer());
      const [status] = readOcsp(bytes).statuses;
      const signedAt = Date.parse(response.headers.get('last-modified')!);
      expect(signedAt).toBeGreaterThanOrEqual(before);
      expect([
        status!.status,
        signedAt - status!.thisUpdate.getTime(),
        status!.nextUpdate.getTime() - signedAt,
      ]).toEqual(['revoked', hour, hour]);
      expect(Date.parse(response.headers.get('expires')!)).toBe(signedAt + hour);
      const generalized = (at: number) => new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '');
      // producedAt and thisUpdate alike, and the revocation an hour before it happened.
      expect(bytes.toString('latin1').split(generalized(signedAt - hour)).length).toBeGreaterThanOrEqual(3);
      expect(bytes.toString('latin1')).toContain(generalized(revokedAt - hour));
    } finally {
      await server.stop();
    }
  });

  it('numbers rise and thisUpdate never falls where a clock goes back a little; one from the future holds nothing back', async () => {
    const server = await startServer(kind);
    try {
      const { token } = await enroll(server);
      const device = await provision(server, token, 'device');
      const path = `/crl/${issuerOf(device)}.crl`;
      let before = await timesOf(server, path);
      const moves = [-1, -58, 30, 29, -300, 5];
      const devices: Device[] = [];
      for (const n of moves.keys()) devices.push(await provision(server, token, `d-${n}`));
      for (const [n, minutes] of moves.entries()) {
        server.advance(minutes * 60);
        await revoke(server, devices[n]!);
        const now = await timesOf(server, path);
        expect(now.number).toBeGreaterThan(before.number);
        expect(now.revoked).toBeLessThanOrEqual(now.thisUpdate);
        expect(now.thisUpdate).toBeLessThanOrEqual(now.signedAt);
        const wasFuture = before.thisUpdate > now.signedAt;
        expect(now.thisUpdate).toBe(wasFuture ? now.signedAt - hour : Math.max(now.signedAt - hour, before.thisUpdate));
        before = now;
      }
    } finally {
      await server.stop();
    }
  });
});

describe('lists between instances and versions', () => {
  it('a revocation by an instance whose clock is hours ahead is dated no later than the list, the same on every instance', async () => {
    const database = await freshDatabase('postgresql');
    const settings = { ...database.settings, THINGWARD_OWNER_KEY: ownerKey };
    const common = { ...settings, THINGWARD_PKI_URL: 'http://lists.example' };
    const [right, ahead] = [await startServer('postgresql', common), await startServer('postgresql', common)];
    try {
      ahead.advance(2 * 3600);
      const { token } = await enroll(right);
      const devices = [];
      for (let n = 0; n < 3; n++) devices.push(await provision(right, token, `d-${n}`));
      const issuer = issuerOf(devices[0]!);
      const path = `/crl/${issuer}.crl`;
      await revoke(right, devices[0]!);
      const revokedAt = await revoke(ahead, devices[1]!);
      expect(revokedAt).toBeGreaterThan(right.now().getTime() + hour);
      const list = await timesOf(right, path);
      expect(list.revoked).toBe(list.thisUpdate);
      expect(list.signedAt - list.thisUpdate).toBe(hour);
      expect((await fetchCrl(right, path)).serials.sort()).toEqual([devices[0]!, devices[1]!].map(serialOf).sort());
      // The other writes the list again from its record, while its own clock finds nothing wrong with it.
      ahead.advance(-2 * 3600);
      const again = await timesOf(ahead, path);
      expect([again.number, again.der.equals(list.der)]).toEqual([list.number, true]);
      // A delta alike, releases in it too.
      await right.owner.send('PATCH', `/v1/issuers/${issuer}`, { deltaList: true });
      await fetchCrl(right, `/crl/${issuer}/delta.crl`);
      ahead.advance(2 * 3600);
      await revoke(ahead, devices[2]!);
      const delta = await timesOf(right, `/crl/${issuer}/delta.crl`);
      const whole = await timesOf(right, path);
      expect([delta.number, delta.thisUpdate, delta.nextUpdate, delta.revoked]).toEqual([
        whole.number,
        whole.thisUpdate,
        whole.nextUpdate,
        whole.thisUpdate,
      ]);
    } finally {
      await ahead.stop();
      await right.stop();
      database.remove();
    }
  });

  it('a list of the version before, which knew no signedAt, is replaced by one with a higher number that is no older', async () => {
    const server = await startServer('embedded');
    try {
      const device = await provision(server, (await enroll(server)).token, 'device');
      const path = `/crl/${issuerOf(device)}.crl`;
      await revoke(server, device);
      const { number } = await timesOf(server, path);
      const at = new Date(wholeSeconds(server.now()) - 600_000);
      await server.database.client.$executeRaw(
        sql`UPDATE crls SET signed_at = NULL, this_update = ${at}, signature = '\\x3000'::bytea, number = number + 1`,
      );
      await server.owner.send('PATCH', `/v1/issuers/${issuerOf(device)}`, { listSuperseded: false });
      const next = await timesOf(server, path);
      expect([next.number, next.thisUpdate]).toEqual([number + 2n, at.getTime()]);
    } finally {
      await server.stop();
    }
  });
});
