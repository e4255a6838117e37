import { randomBytes, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { assertion, enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { startProgram } from '../../support/program.js';
import { createClient } from '../../support/client.js';
import { startServer, type TestServer } from '../../support/server.js';

const serialOf = ({ answer }: Device): string => answer.body.certificate.serialNumber as string;

describe.each(databaseKinds)('revoking many on %s', (kind) => {
  let server: TestServer;
  let enrollment: { id: string; token: string };
  let n = 0;

  beforeAll(async () => {
    server = await startServer(kind);
    enrollment = await enroll(server, { maxUses: 100_000 });
  });
  afterAll(() => server.stop());

  const newDevice = (token = enrollment.token, extra: object = {}) => provision(server, token, `bulk-${n++}`, extra);
  const bulk = (body: object) => server.owner.post('/v1/revocations/bulk', body);
  const reasonOf = async (device: Device): Promise<string | undefined> =>
    (await server.owner.get(`/v1/certificates/${serialOf(device)}`)).body.reason as string | undefined;

  /** Revokes what a filter takes, as a careful operator does. */
  async function revokeAll(filter: object, reason = 'cessationOfOperation') {
    const { count } = (await bulk({ filter, reason, dryRun: true })).body as { count: number };
    const answer = await bulk({ filter, reason, expectedCount: count });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body).toMatchObject({ status: 'done', revoked: count, expectedCount: count });
    return answer.body as { id: string; revoked: number; position: number };
  }

  it('each filter takes what it says, and no more', async () => {
    const special = await enroll(server, { attributes: { group: 'pumps' } });
    const pumps = [await newDevice(special.token), await newDevice(special.token)];
    const [alone, other] = [await newDevice(), await newDevice()];
    expect((await bulk({ filter: { group: 'pumps' }, reason: 'superseded', dryRun: true })).body).toEqual({
      count: 2,
      things: 2,
      sample: pumps
        .map((each) => ({ serialNumber: serialOf(each), thingName: each.name }))
        .sort((a, b) => (a.serialNumber < b.serialNumber ? -1 : 1)),
    });
    expect((await revokeAll({ group: 'pumps' })).revoked).toBe(2);
    expect((await revokeAll({ enrollment: special.id })).revoked).toBe(0);
    expect((await revokeAll({ thingNames: [alone.name, 'nobody'] })).revoked).toBe(1);
    expect(await reasonOf(alone)).toBe('cessationOfOperation');
    expect(await reasonOf(other)).toBeUndefined();
    await server.owner.post('/v1/policies', {
      name: 'odd',
      statements: [{ id: 's', effect: 'allow', actions: ['publish'], resources: ['topic:x'] }],
    });
    await server.owner.send('PUT', `/v1/things/${other.name}/policies`, { policies: ['odd'] });
    expect((await revokeAll({ policy: 'odd' }, 'certificateHold')).revoked).toBe(1);
    const before = new Date(server.now().getTime() - 3_600_000).toISOString();
    expect((await revokeAll({ issuedBefore: before })).revoked).toBe(0);
    const [young, old] = [await newDevice(), await newDevice()];
    expect(
      (await revokeAll({ issuedBefore: new Date(server.now().getTime() + 1000).toISOString(), thingNames: [old.name] }))
        .revoked,
    ).toBe(1);
    expect(await reasonOf(young)).toBeUndefined();
  });

  it('a changed count is 409 with the count, and nothing is revoked', async () => {
    const device = await newDevice();
    const answer = await bulk({ filter: { thingNames: [device.name] }, reason: 'unspecified', expectedCount: 2 });
    expect([answer.status, problemOf(answer), answer.body.count]).toEqual([409, 'count-changed', 1]);
    expect(await reasonOf(device)).toBeUndefined();
  });

  it.each([
    ['neither dryRun nor expectedCount', { filter: { policy: 'sensor' }, reason: 'unspecified' }],
    ['both', { filter: { policy: 'sensor' }, reason: 'unspecified', dryRun: true, expectedCount: 1 }],
    ['a group with a NUL', { filter: { group: 'a\0b' }, reason: 'unspecified', dryRun: true }],
    ['the year 0', { filter: { issuedBefore: '0000-01-01T00:00:00Z' }, reason: 'unspecified', dryRun: true }],
    ['an empty filter', { filter: {}, reason: 'unspecified', dryRun: true }],
    ['an unknown member', { filter: { everything: true }, reason: 'unspecified', dryRun: true }],
    ['a proof without a lineage', { filter: { policy: 'sensor' }, reason: 'keyCompromise', dryRun: true, proof: 'x' }],
  ])('400 for %s', async (_what, body) => {
    expect(problemOf(await bulk(body))).toBe('invalid-request');
  });

  it('a lineage is every certificate with the key and all that was renewed from them; a proof bars the key everywhere', async () => {
    const device = await newDevice();
    const bystander = await newDevice();
    const renewed = await renew(device);
    const again = await renew(renewed);
    const filter = { lineageOf: serialOf(device) };
    // The old ones became superseded when the new key was first used; that may become keyCompromise.
    const { count } = (await bulk({ filter, reason: 'keyCompromise', dryRun: true })).body as { count: number };
    expect(count).toBe(3);
    const proof = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', typ: 'key-compromise+jwt' })
      .setIssuedAt(Math.floor(server.now().getTime() / 1000))
      .setAudience(server.url)
      .sign(device.key);
    const forged = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', typ: 'key-compromise+jwt' })
      .setIssuedAt(Math.floor(server.now().getTime() / 1000))
      .setAudience(server.url)
      .sign(bystander.key);
    expect(problemOf(await bulk({ filter, reason: 'keyCompromise', expectedCount: 3, proof: forged }))).toBe(
      'invalid-request',
    );
    expect((await bulk({ filter, reason: 'keyCompromise', expectedCount: 3, proof })).body).toMatchObject({
      revoked: 3,
      status: 'done',
    });
    for (const each of [device, renewed, again]) expect(await reasonOf(each)).toBe('keyCompromise');
    expect(await reasonOf(bystander)).toBeUndefined();
    // In the account every key of the lineage is barred; in others the one that was proved.
    const acme = (await server.owner.post('/v1/accounts', { name: `a-${randomBytes(4).toString('hex')}` })).body
      .ownerKey as string;
    const elsewhere = await enroll({ owner: server.as(acme) });
    expect(problemOf((await provision(server, elsewhere.token, 'thief', {}, device.key)).answer)).toBe('bad-key');
    expect((await provision(server, elsewhere.token, 'thief', {}, again.key)).answer.status).toBe(201);
  });

  it('what was issued after the count is left alone, but nothing escapes by renewing', async () => {
    const ours = await enroll(server, { attributes: { group: 'frozen' } });
    const counted = await newDevice(ours.token);
    server.advance(2);
    // A bulk revocation that a crash left where it had only counted.
    const filter = { enrollment: ours.id };
    const { id } = (await bulk({ filter: { group: 'nobody' }, reason: 'unspecified', expectedCount: 0 })).body;
    const countedAt = server.now();
    server.advance(2);
    const [escaping, later] = [await renew(counted), await newDevice(ours.token)];
    const renewedLater = await renew(later);
    await server.database.client.bulkRevocation.update({
      where: { id },
      data: { status: 'running', filter, createdAt: countedAt, expected: 1, finishedAt: null },
    });
    server.advance(2);
    await server.services.chores.run('resume-bulk-revocations');
    expect((await server.owner.get(`/v1/revocations/bulk/${id}`)).body.status).toBe('done');
    expect([await reasonOf(counted), await reasonOf(escaping)]).toEqual(['superseded', 'unspecified']);
    expect([await reasonOf(later), await reasonOf(renewedLater)]).toEqual(['superseded', undefined]);
  });

  it('twelve thousand: 202 with progress, an urgent revocation gets in between, and all are in the list', async () => {
    const size = 12_000;
    const names = await seed(server, size);
    const urgent = await newDevice();
    const filter = { enrollment: names.enrollment };
    const answer = await bulk({ filter, reason: 'privilegeWithdrawn', expectedCount: size });
    expect(answer.status).toBe(202);
    const path = answer.headers.get('location')!;
    const single = await server.owner.post(`/v1/certificates/${serialOf(urgent)}/revoke`, { reason: 'keyCompromise' });
    expect(single.status).toBe(200);
    const seen = new Set<number>();
    for (;;) {
      const { body } = await server.owner.get(path);
      seen.add(body.revoked as number);
      if (body.status === 'done') break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(Math.max(...seen)).toBe(size);
    const done = (await server.owner.get(path)).body;
    expect(single.body.position).toBeLessThan(done.position as number);
    const crl = Buffer.from(
      await (await fetch(`${server.url}${new URL(urgent.answer.body.links.crl as string).pathname}`)).arrayBuffer(),
    );
    expect(crl.length).toBeGreaterThan(size * 40);
    expect((await bulk({ filter, reason: 'privilegeWithdrawn', dryRun: true })).body.count).toBe(0);
    console.log(`bulk: ${size} revoked, ${seen.size} states of progress seen, the urgent one before the last`);
  });

  /** A renewal whose new key was used once, so that the old certificate is superseded. */
  async function renew(device: Device): Promise<Device> {
    const { generateKeyPairSync } = await import('node:crypto');
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const csr = csrPem({ key });
    const { createHash } = await import('node:crypto');
    const csrDer = Buffer.from(csr.replace(/-----.*-----|\n/g, ''), 'base64');
    const base = { audience: server.url, subject: `default/${device.name}`, now: server.now() };
    const claims = { csr_sha256: createHash('sha256').update(csrDer).digest('base64url') };
    const proof = await assertion({ ...base, pem: pemOf(device), key: device.key, typ: 'renew+jwt', claims });
    const answer = await server.as(undefined).post('/v1/renew', { csr, proof });
    expect(answer.status, answer.text).toBe(201);
    const renewed: Device = { name: device.name, key, csr, answer };
    const client = await assertion({ ...base, pem: pemOf(renewed), key });
    const used = await server.as(undefined).post('/v1/token', {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: client,
    });
    expect(used.status, used.text).toBe(200);
    return renewed;
  }
});

/** Puts many things with a certificate each into the registry, at once: what is tested is what is done to them. */
async function seed(server: TestServer, size: number): Promise<{ enrollment: string }> {
  const made = await enroll(server, { maxUses: 100_000 });
  const model = await provision(server, made.token, `seed-${randomBytes(4).toString('hex')}`);
  await server.owner.post(`/v1/certificates/${serialOf(model)}/revoke`, { reason: 'unspecified' });
  const { client } = server.database;
  const { sql } = await import('../../../src/db/client.js');
  const rows = Array.from({ length: size }, (_, at) => ({
    id: randomUUID(),
    name: `s-${at}-${randomBytes(3).toString('hex')}`,
    serial: `01${randomBytes(19).toString('hex')}`,
    spki: randomBytes(32).toString('hex'),
    index: 1_000_000 + at,
  }));
  const json = JSON.stringify(rows);
  await client.$executeRaw(sql`
    WITH r AS (SELECT * FROM jsonb_to_recordset(${json}::jsonb) AS r(id uuid, name text, serial text, spki text, index bigint)),
    t AS (INSERT INTO things (id, account_name, name, attributes, policies, enrollment_id, created_at)
      SELECT id, 'default', name, '{}', ARRAY['sensor'], ${made.id}::uuid, now() FROM r),
    k AS (INSERT INTO thing_keys (account_name, spki_sha256, thing_id) SELECT 'default', decode(spki, 'hex'), id FROM r)
    INSERT INTO certificates (serial_number, account_name, thing_id, issuer_id, issuer_index, fingerprint, spki_sha256, der,
      not_before, not_after, created_at, enrollment_id)
    SELECT r.serial, 'default', r.id, c.issuer_id, r.index, encode(sha256(decode(r.serial, 'hex')), 'hex'), decode(r.spki, 'hex'),
      decode(r.serial, 'hex'), c.not_before, c.not_after, now(), ${made.id}::uuid
    FROM r, certificates c WHERE c.serial_number = ${serialOf(model)}`);
  return { enrollment: made.id };
}

/**
 * Lets the database refuse to revoke the certificate in the middle until there is a policy `no-more-hold`: a bulk
 * revocation stays half done, however fast or slow the machine is.
 */
async function holdUp({ database: { client } }: TestServer): Promise<void> {
  await client.$executeRawUnsafe(`
    CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NOT EXISTS (SELECT 1 FROM policies WHERE name = 'no-more-hold') THEN RAISE EXCEPTION 'held up'; END IF;
      RETURN NEW;
    END $$`);
  const [middle] = await client.$queryRawUnsafe<{ serial: string }[]>(
    'SELECT serial_number AS serial FROM certificates WHERE revoked_at IS NULL ORDER BY serial_number OFFSET 5500 LIMIT 1',
  );
  await client.$executeRawUnsafe(`
    CREATE TRIGGER hold_up BEFORE UPDATE OF revoked_at ON certificates FOR EACH ROW
    WHEN (NEW.serial_number = '${middle!.serial}') EXECUTE FUNCTION hold_up()`);
}

describe.each(databaseKinds)('a bulk revocation that is killed on %s', (kind) => {
  it('is resumed after the next start, to the last certificate', async () => {
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const { settings, remove } = await freshDatabase(kind);
    const common = { ...settings, THINGWARD_OWNER_KEY: ownerKey };
    const seeding = await startServer(
      kind,
      kind === 'postgresql' ? common : { THINGWARD_OWNER_KEY: ownerKey, ...settings },
    );
    const { enrollment } = await seed(seeding, 11_000);
    await holdUp(seeding);
    await seeding.stop();
    let program = await startProgram(common);
    try {
      const owner = createClient(program.url, ownerKey);
      const answer = await owner.post('/v1/revocations/bulk', {
        filter: { enrollment },
        reason: 'unspecified',
        expectedCount: 11_000,
      });
      expect(answer.status).toBe(202);
      // Killed in the middle: some are revoked, and not all.
      const progress = `/v1/revocations/bulk/${answer.body.id as string}`;
      const isInTheMiddle = ({ status, revoked }: { status: string; revoked: number }) => {
        expect(status).toBe('running');
        expect(revoked).toBeLessThan(11_000);
        return revoked > 0;
      };
      while (!isInTheMiddle((await owner.get(progress)).body)) await new Promise((resolve) => setTimeout(resolve, 20));
      await program.kill('SIGKILL');
      expect(program.process.signalCode).toBe('SIGKILL');
      program = await startProgram(common);
      const restarted = createClient(program.url, ownerKey);
      const first = (await restarted.get(progress)).body;
      expect(isInTheMiddle(first)).toBe(true);
      const allow = { id: 's', effect: 'allow', actions: ['publish'], resources: ['topic:x'] };
      expect((await restarted.post('/v1/policies', { name: 'no-more-hold', statements: [allow] })).status).toBe(201);
      let last = first;
      for (let tries = 0; last.status !== 'done' && tries < 6000; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        last = (await restarted.get(progress)).body;
      }
      console.log(
        `killed bulk revocation on ${kind}: ${first.revoked as number} at the restart, ${last.revoked as number} in the end`,
      );
      expect(last).toMatchObject({ status: 'done', revoked: 11_000 });
    } finally {
      await program.kill();
      remove();
    }
  });
});
