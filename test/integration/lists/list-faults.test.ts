import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { X509Crl } from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import type { Database } from '../../../src/db/client.js';
import { systemOrigin } from '../../../src/origin.js';
import { createSealer } from '../../../src/sealing.js';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { enroll, provision } from '../../support/fleet.js';
import { createInstances } from '../../support/schedules.js';
import { startServer, type TestServer } from '../../support/server.js';

/** What happens around calls to the database: before a reading of the log, and around the writing of a signed list. */
type Hooks = { readLog?: () => Promise<void>; swap?: (write: () => Promise<unknown>) => Promise<unknown> };

let server: TestServer;
let token: string;
let n = 0;
const key = randomBytes(32);
beforeAll(async () => {
  server = await startServer('embedded', { THINGWARD_KEY: key.toString('base64') });
  token = (await enroll(server, { maxUses: 1000 })).token;
});
afterAll(() => server.stop());

const newDevice = () => provision(server, token, `fault-${n++}`);
const serialsOf = ({ der }: { der: Buffer }): string[] =>
  new X509Crl(der).entries.map(({ serialNumber }) => serialNumber.toLowerCase().replace(/^00/, '').padStart(40, '0'));

/** An instance on the same database, whose calls pass the hooks. */
const instanceWith = async (hooks: Hooks) =>
  (
    await createInstances(1, {
      db: hooked(server.database.client, hooks),
      sealer: createSealer(key),
      clock: systemClock,
      mostLists: 100,
      onError: () => {},
    })
  )[0]!;

function deferred() {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

function hooked(db: Database, hooks: Hooks): Database {
  type Call = (...args: unknown[]) => Promise<unknown>;
  const crl = new Proxy(db.crl, {
    get(of, name) {
      const call = (Reflect.get(of, name) as Call).bind(of);
      if (name !== 'updateMany') return call;
      return (...args: unknown[]) => (hooks.swap ? hooks.swap(() => call(...args)) : call(...args));
    },
  });
  return new Proxy(db, {
    get(of, name) {
      if (name === 'crl') return crl;
      const value = Reflect.get(of, name) as unknown;
      if (name !== '$queryRaw') return typeof value === 'function' ? (value.bind(of) as unknown) : value;
      return async (query: { strings: string[] }) => {
        if (query.strings.join('').includes('LATERAL')) await hooks.readLog?.();
        return (value as Call).call(of, query);
      };
    },
  });
}

describe('lists and what happens while they are made', () => {
  it('a certificate whose reason changes while its list is loaded stays in the list', async () => {
    const device = await newDevice();
    const hooks: Hooks = {};
    const { revoking, publisher, lists } = await instanceWith(hooks);
    await revoking.revokeCertificate('default', serialOf(device), 'certificateHold', systemOrigin);
    const [reading, mayRead] = [deferred(), deferred()];
    hooks.readLog = () => {
      reading.resolve();
      return mayRead.promise;
    };
    const change = revoking.revokeCertificate('default', serialOf(device), 'keyCompromise', systemOrigin);
    // The change is committed once its writer reads the log, and not applied before it may.
    await reading.promise;
    expect(lists.size()).toBe(0);
    const list = publisher.crl(issuerOf(device));
    const compact = publisher.contents(issuerOf(device), ({ entries }) => entries.size());
    // A list that does not wait for the log has all the time that it needs.
    let isMade = false;
    void list.finally(() => (isMade = true)).catch(() => {});
    for (let turns = 0; turns < 300 && !isMade; turns++) {
      await server.database.client.$queryRaw`SELECT 1`;
      await new Promise(setImmediate);
    }
    mayRead.resolve();
    await change;
    expect(serialsOf(await list)).toContain(serialOf(device));
    expect(await compact).toBe(serialsOf(await list).length);
  });

  it('a list that the database did not take is made again, without what was released', async () => {
    const [device, other] = [await newDevice(), await newDevice()];
    const issuer = issuerOf(device);
    const hooks: Hooks = {};
    const { revoking, publisher } = await instanceWith(hooks);
    await revoking.revokeCertificate('default', serialOf(device), 'certificateHold', systemOrigin);
    expect(serialsOf(await publisher.crl(issuer))).toContain(serialOf(device));
    await revoking.releaseCertificate('default', serialOf(device), systemOrigin);
    hooks.swap = () => Promise.reject(new Error('the connection is lost'));
    await expect(publisher.crl(issuer)).rejects.toThrow('the connection is lost');
    delete hooks.swap;
    expect(serialsOf(await publisher.crl(issuer))).not.toContain(serialOf(device));
    await revoking.revokeCertificate('default', serialOf(other), 'keyCompromise', systemOrigin);
    expect(serialsOf(await publisher.crl(issuer))).toContain(serialOf(other));
  });

  it('a write whose answer comes late, and a delta in between, keep no later list from being published', async () => {
    const [held, second, third] = [await newDevice(), await newDevice(), await newDevice()];
    const issuer = issuerOf(held);
    const hooks: Hooks = {};
    const [slow, quick] = [await instanceWith(hooks), await instanceWith({})];
    const both = async (work: Promise<unknown>) => {
      await work;
      await Promise.all([slow.log.catchUp(), quick.log.catchUp()]);
    };
    const revoke = (serial: string, reason: 'certificateHold' | 'keyCompromise') =>
      quick.revoking.revokeCertificate('default', serial, reason, systemOrigin);
    await both(slow.issuers.configure('default', issuer, { deltaList: true }, systemOrigin));
    await both(revoke(serialOf(held), 'certificateHold'));
    await slow.publisher.crl(issuer);
    await both(revoke(serialOf(second), 'keyCompromise'));
    const [written, mayAnswer] = [deferred(), deferred()];
    hooks.swap = async (write) => {
      const answer = await write();
      written.resolve();
      await mayAnswer.promise;
      return answer;
    };
    const late = slow.publisher.crl(issuer);
    await written.promise;
    delete hooks.swap;
    await both(quick.revoking.releaseCertificate('default', serialOf(held), systemOrigin));
    await quick.publisher.crl(issuer);
    await slow.publisher.delta(issuer);
    mayAnswer.resolve();
    await late;
    await both(revoke(serialOf(third), 'keyCompromise'));
    const last = serialsOf(await slow.publisher.crl(issuer));
    expect(last).toEqual(expect.arrayContaining([serialOf(second), serialOf(third)]));
    expect(last).not.toContain(serialOf(held));
    await slow.issuers.configure('default', issuer, { deltaList: false }, systemOrigin);
  });
});

describe('delta lists', () => {
  const configure = (issuer: string, settings: object) => server.owner.send('PATCH', `/v1/issuers/${issuer}`, settings);
  const deltaOf = async (issuer: string) => {
    const { status, der } = await fetchCrl(server, `/crl/${issuer}/delta.crl`);
    expect(status, der.toString()).toBe(200);
    return new X509Crl(der).entries.map(({ serialNumber, reason }) => [
      serialNumber.toLowerCase().replace(/^00/, '').padStart(40, '0'),
      reason,
    ]);
  };

  it('name a certificate once, by the last word on it', async () => {
    const device = await newDevice();
    const issuer = issuerOf(device);
    const serial = serialOf(device);
    const revoke = (reason: string) => server.owner.post(`/v1/certificates/${serial}/revoke`, { reason });
    const release = () => server.owner.post(`/v1/certificates/${serial}/release`);
    const said = async () => (await deltaOf(issuer)).filter(([each]) => each === serial).map(([, reason]) => reason);
    await configure(issuer, { deltaList: true, listSuperseded: true });
    await revoke('certificateHold');
    expect(await said()).toEqual([]);
    await release();
    expect(await said()).toEqual([8]);
    await revoke('certificateHold');
    expect(await said()).toEqual([6]);
    await release();
    await revoke('certificateHold');
    await release();
    expect(await said()).toEqual([8]);
    await revoke('certificateHold');
    await revoke('superseded');
    expect(await said()).toEqual([4]);
    await configure(issuer, { deltaList: false, listSuperseded: false });
  });

  it('say of what was superseded and is not listed that it left', async () => {
    const [listed, never] = [await newDevice(), await newDevice()];
    const issuer = issuerOf(listed);
    const revoke = (of: typeof listed, reason: string) =>
      server.owner.post(`/v1/certificates/${serialOf(of)}/revoke`, { reason });
    await configure(issuer, { deltaList: true, listSuperseded: false });
    await revoke(listed, 'certificateHold');
    await deltaOf(issuer);
    await revoke(listed, 'superseded');
    await revoke(never, 'certificateHold');
    await revoke(never, 'superseded');
    expect(await deltaOf(issuer)).toEqual([[serialOf(listed), 8]]);
    await configure(issuer, { deltaList: false });
  });

  /** Has the log say for a while of a released serial number what no list can say: it has too many digits. */
  const meddle = (from: string, to: string) =>
    server.database.client.$transaction([
      server.database.client.$executeRaw`ALTER TABLE log_entries DISABLE TRIGGER USER`,
      server.database.client.$executeRaw`
        UPDATE log_entries SET payload = jsonb_set(payload, '{serialNumber}', to_jsonb(${to}::text))
        WHERE type = 'release' AND payload->>'serialNumber' = ${from}`,
      server.database.client.$executeRaw`ALTER TABLE log_entries ENABLE TRIGGER USER`,
    ]);

  /** A delta list that is refused; returns how to mend the log. */
  const refusedDelta = async (issuer: string, serial: string) => {
    await configure(issuer, { deltaList: true });
    await server.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'certificateHold' });
    await deltaOf(issuer);
    await server.owner.post(`/v1/certificates/${serial}/release`);
    await fetchCrl(server, `/crl/${issuer}.crl`);
    await meddle(serial, `${serial}0000`);
    const refused = await fetch(`${server.url}/crl/${issuer}/delta.crl`);
    expect([refused.status, await refused.json()]).toMatchObject([503, { type: 'urn:thingward:problem:list-refused' }]);
    await server.services.chores.run('sign-lists');
    expect(() => server.services.lists.publisher.requireHealthy()).toThrow('is not published');
    return () => meddle(`${serial}0000`, serial);
  };

  it('a delta that was refused keeps nobody from being ready once it is switched off', async () => {
    const device = await newDevice();
    const mend = await refusedDelta(issuerOf(device), serialOf(device));
    await mend();
    await configure(issuerOf(device), { deltaList: false });
    await server.services.chores.run('sign-lists');
    expect(() => server.services.lists.publisher.requireHealthy()).not.toThrow();
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it('nor one of an authority that has expired', async () => {
    const device = await newDevice();
    const issuer = issuerOf(device);
    await server.database.client.$executeRaw`UPDATE issuers SET sealed_key = decode('00', 'hex') WHERE id = ${issuer}`;
    await configure(issuer, { listMaxAge: 1 });
    await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'keyCompromise' });
    expect((await fetch(`${server.url}/crl/${issuer}.crl`)).status).toBe(503);
    await server.services.chores.run('sign-lists');
    expect(() => server.services.lists.publisher.requireHealthy()).toThrow('is not published');
    server.advance(50 * 365 * 86_400);
    await server.services.chores.run('sign-lists');
    expect(() => server.services.lists.publisher.requireHealthy()).not.toThrow();
  });
});
