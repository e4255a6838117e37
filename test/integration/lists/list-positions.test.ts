import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/client.js';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { enroll, provision, type Device } from '../../support/fleet.js';
import { ocspRequest, ocspStatus } from '../../support/pki/ocsp.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.skipIf(!databaseKinds.includes('postgresql'))(
  'a list that is overtaken while it is made, on postgresql',
  () => {
    let server: TestServer;
    let other: pg.Client;
    let token: string;

    beforeAll(async () => {
      const { settings } = await freshDatabase('postgresql');
      const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
      server = await startServer('postgresql', { ...settings, THINGWARD_OWNER_KEY: ownerKey });
      other = new pg.Client({ connectionString: settings['DATABASE_URL'] });
      await other.connect();
      token = (await enroll(server)).token;
    });
    afterAll(async () => {
      await other.end();
      await server.stop();
    });

    /** Resolves once somebody waits for the lock that `other` holds. */
    const untilSomebodyWaits = async (): Promise<void> => {
      for (;;) {
        const { rows } = await other.query<{ waiting: number }>(
          `SELECT count(*)::int AS waiting FROM pg_locks WHERE relation = 'crls'::regclass AND NOT granted`,
        );
        if (rows[0]!.waiting > 0) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };

    // The first stops the reading of the record, the second the writing of the signed list.
    for (const mode of ['ACCESS EXCLUSIVE', 'SHARE'])
      it(`never hides a revocation that was acknowledged meanwhile (crls locked in ${mode} mode)`, async () => {
        const name = mode.toLowerCase().replace(' ', '-');
        const [first, second] = [
          await provision(server, token, `${name}-1`),
          await provision(server, token, `${name}-2`),
        ];
        const issuer = issuerOf(first);
        const revoke = async (device: Device) => {
          const answer = await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, {
            reason: 'keyCompromise',
          });
          expect(answer.status, answer.text).toBe(200);
        };
        await revoke(first);
        await other.query('BEGIN');
        await other.query(`LOCK TABLE crls IN ${mode} MODE`);
        const overtaken = fetchCrl(server, `/crl/${issuer}.crl`);
        await untilSomebodyWaits();
        expect((await server.owner.send('PATCH', `/v1/issuers/${issuer}`, { listMaxAge: 0 })).status).toBe(200);
        await revoke(second);
        await other.query('COMMIT');
        expect((await overtaken).serials).toContain(serialOf(first));
        let last = (await overtaken).number;
        for (let n = 0; n < 3; n++) {
          const list = await fetchCrl(server, `/crl/${issuer}.crl`);
          expect(list.serials).toEqual(expect.arrayContaining([serialOf(first), serialOf(second)]));
          expect(list.number).toBeGreaterThanOrEqual(last);
          last = list.number;
        }
      });
  },
);

describe.each(databaseKinds)('lists and their positions on %s', (kind) => {
  let server: TestServer;
  let token: string;
  let n = 0;

  beforeAll(async () => {
    server = await startServer(kind);
    token = (await enroll(server)).token;
  });
  afterAll(() => server.stop());

  const newDevice = () => provision(server, token, `position-${n++}`);
  const revoke = (device: Device, reason = 'keyCompromise') =>
    server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason });
  const configure = (issuer: string, settings: object) => server.owner.send('PATCH', `/v1/issuers/${issuer}`, settings);

  it('a list that lacks what the log says is noticed, whatever position it claims, and signed anew', async () => {
    for (const claim of [sql`(SELECT position FROM log_head)`, sql`1000000`]) {
      const device = await newDevice();
      const path = `/crl/${issuerOf(device)}.crl`;
      const before = await fetchCrl(server, path);
      await revoke(device);
      await server.database.client.$executeRaw(
        sql`UPDATE crls SET position = ${claim} WHERE issuer_id = ${issuerOf(device)} AND scope = 'complete'`,
      );
      const after = await fetchCrl(server, path);
      expect(after.serials).toContain(serialOf(device));
      expect(after.number).toBeGreaterThan(before.number);
      expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    }
  });

  it('a hold that ended while its list was not in memory leaves the next list', async () => {
    const device = await newDevice();
    const path = `/crl/${issuerOf(device)}.crl`;
    await revoke(device, 'certificateHold');
    expect((await fetchCrl(server, path)).serials).toContain(serialOf(device));
    await configure(issuerOf(device), { listMaxAge: 0 });
    await server.owner.post(`/v1/certificates/${serialOf(device)}/release`);
    const after = await fetchCrl(server, path);
    expect([after.status, after.serials.includes(serialOf(device))]).toEqual([200, false]);
  });

  it('a delta after other settings has another base: what the old base left out would be in neither', async () => {
    const [old, late] = [await newDevice(), await newDevice()];
    const issuer = issuerOf(old);
    await configure(issuer, { deltaList: true, listSuperseded: false });
    await revoke(old, 'superseded');
    const base = await fetchCrl(server, `/crl/${issuer}.crl`);
    await fetchCrl(server, `/crl/${issuer}/delta.crl`);
    expect(base.serials).not.toContain(serialOf(old));
    await configure(issuer, { listSuperseded: true });
    await revoke(late);
    const complete = await fetchCrl(server, `/crl/${issuer}.crl`);
    const delta = await fetchCrl(server, `/crl/${issuer}/delta.crl`);
    expect(complete.serials).toEqual(expect.arrayContaining([serialOf(old), serialOf(late)]));
    expect(delta.number).toBe(complete.number);
    const { base_number: of } = (
      await server.database.client.$queryRaw<{ base_number: bigint }[]>(
        sql`SELECT base_number FROM crls WHERE issuer_id = ${issuer} AND scope = 'delta'`,
      )
    )[0]!;
    expect(of).toBeGreaterThan(base.number);
    await configure(issuer, { deltaList: false, listSuperseded: false });
  });

  it('what nobody was asked for leaves no state: lists and authorities that are not there', async () => {
    const device = await newDevice();
    await fetchCrl(server, `/crl/${issuerOf(device)}.crl`);
    const before = server.services.lists.lists.size();
    const paths = Array.from({ length: 30 }, (_, each) => [
      `/crl/${issuerOf(device)}/${each + 1}.crl`,
      `/crl/${each.toString(16).padStart(16, '0')}.crl`,
      `/crl/${each.toString(16).padStart(16, '0')}/delta.crl`,
      `/status/${each.toString(16).padStart(16, '0')}`,
      `/status/${each.toString(16).padStart(16, '0')}.gaps`,
      `/crl/nobody-${each}/bundle.pem`,
      `/ca/nobody-${each}/chain.pem`,
    ]).flat();
    const statuses = await Promise.all(paths.map(async (path) => (await fetch(`${server.url}${path}`)).status));
    expect(new Set(statuses)).toEqual(new Set([404]));
    expect(server.services.lists.lists.size()).toBe(before);
  });

  it('OCSP unseals no key to find an authority, and knows an account from its first certificate on', async () => {
    const ask = async (request: Buffer) => {
      const response = await fetch(`${server.url}/ocsp`, {
        method: 'POST',
        headers: { 'content-type': 'application/ocsp-request' },
        body: new Uint8Array(request),
      });
      return [response.status, ocspStatus(Buffer.from(await response.arrayBuffer()))];
    };
    const unknown = () => ocspRequest({ name: randomBytes(20), key: randomBytes(20) }, '01');
    expect(await ask(unknown())).toEqual([200, 'unauthorized']);
    const ownerKey = (await server.owner.post('/v1/accounts', { name: `late-${kind}` })).body.ownerKey as string;
    const owner = server.as(ownerKey);
    const enrollment = await enroll({ owner });
    const device = await provision(server, enrollment.token, 'first');
    const chain = await (await fetch(`${server.url}/ca/late-${kind}/chain.pem`)).text();
    const issuing = chain.slice(0, chain.indexOf('-----END') + 27);
    expect(await ask(ocspRequest(issuing, serialOf(device)))).toEqual([200, 'good']);
    // Nobody else's key can be opened from here on.
    await server.database.client.$executeRaw(
      sql`UPDATE issuers SET sealed_key = decode('00', 'hex') WHERE account_name <> ${`late-${kind}`}`,
    );
    for (let each = 0; each < 3; each++) {
      await owner.send('PATCH', `/v1/issuers/${issuerOf(device)}`, { listMaxAge: each });
      server.advance(2);
      expect(await ask(unknown())).toEqual([200, 'unauthorized']);
      expect(await ask(ocspRequest(issuing, serialOf(device)))).toEqual([200, 'good']);
    }
    await owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'superseded' });
    expect(await ask(ocspRequest(issuing, serialOf(device)))).toEqual([200, 'good']);
    await owner.send('PATCH', `/v1/issuers/${issuerOf(device)}`, { listSuperseded: true });
    expect(await ask(ocspRequest(issuing, serialOf(device)))).toEqual([200, 'revoked']);
  });
});
