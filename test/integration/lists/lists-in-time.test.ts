import 'reflect-metadata';
import { X509Crl } from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { sql } from '../../../src/db/client.js';
import { problemOf } from '../../support/client.js';
import { fetchCrl, issuerOf, serialOf } from '../../support/pki/crl.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { startServer } from '../../support/server.js';

const day = 86_400;

describe.each(databaseKinds)('time and lists on %s', (kind) => {
  it('a revoked certificate leaves the list only after it expired, one list later; its entry in the log goes with it', async () => {
    const server = await startServer(kind);
    server.freeze();
    try {
      const token = (await enroll(server)).token;
      const device = await provision(server, token, 'ageing');
      const path = `/crl/${issuerOf(device)}.crl`;
      const { cursor } = (
        await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'unspecified' })
      ).body;
      // The cursor right before the revocation.
      const start = (cursor as string).replace(/\d+$/, (position) => String(Number(position) - 1));
      const notAfter = new Date(device.answer.body.certificate.notAfter as string).getTime();
      const travel = (seconds: number) => server.advance((notAfter - server.now().getTime()) / 1000 + seconds);
      const seen: boolean[] = [];
      for (const seconds of [-10, 10, 7 * day, 8 * day - 10, 8 * day + 10]) {
        travel(seconds);
        await server.services.chores.run('sign-lists');
        seen.push((await fetchCrl(server, path)).serials.includes(serialOf(device)));
        await server.services.chores.run('prune-log');
        const feed = await server.owner.get(`/v1/revocations?after=${start}`);
        expect(feed.status, `${seconds}`).toBe(seconds > 8 * day ? 410 : 200);
        if (feed.status === 410) {
          expect([problemOf(feed), feed.body.links.snapshot]).toEqual(['cursor-pruned', '/v1/revocations/snapshot']);
          const stream = await fetch(`${server.url}/v1/revocations/stream?after=${start}`, {
            headers: { authorization: `Bearer ${server.ownerKey}` },
          });
          expect(stream.status).toBe(410);
        }
      }
      expect(seen).toEqual([true, true, true, true, false]);
      expect((await server.owner.get('/v1/revocations')).body.entries).toEqual([]);
      const head = (await server.owner.get('/v1/revocations')).body.cursor as string;
      expect((await server.owner.get(`/v1/revocations?after=${head}`)).status).toBe(200);
    } finally {
      await server.stop();
    }
  });

  it('a clock that was 200 days ahead for a while costs no revocation its place in the list', async () => {
    const server = await startServer(kind);
    server.freeze();
    try {
      const device = await provision(server, (await enroll(server)).token, 'clock');
      const path = `/crl/${issuerOf(device)}.crl`;
      await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'unspecified' });
      const seen: boolean[] = [];
      for (const days of [0, 200, -200]) {
        server.advance(days * day);
        await server.services.chores.run('sign-lists');
        seen.push((await fetchCrl(server, path)).serials.includes(serialOf(device)));
      }
      expect(seen).toEqual([true, false, true]);
    } finally {
      await server.stop();
    }
  });

  it('a registry that lost a revocation behind our back is noticed: 503, red readiness, and never an older list as new', async () => {
    const server = await startServer(kind);
    server.freeze();
    try {
      const token = (await enroll(server)).token;
      const [one, two] = [await provision(server, token, 'tidy-1'), await provision(server, token, 'tidy-2')];
      const path = `/crl/${issuerOf(one)}.crl`;
      await server.owner.post(`/v1/certificates/${serialOf(one)}/revoke`, { reason: 'unspecified' });
      await fetchCrl(server, path);
      const { client } = server.database;
      await client.$executeRaw(
        sql`UPDATE certificates SET revoked_at = NULL, reason = NULL, revoked_position = NULL WHERE serial_number = ${serialOf(one)}`,
      );
      // What is in memory is right, and goes on being served.
      expect((await fetchCrl(server, path)).serials).toEqual([serialOf(one)]);
      // An instance that starts from the meddled registry signs nothing.
      await server.owner.send('PATCH', `/v1/issuers/${issuerOf(one)}`, { listSuperseded: false });
      await server.owner.post(`/v1/certificates/${serialOf(two)}/revoke`, { reason: 'unspecified' });
      const refused = await fetch(`${server.url}${path}`);
      expect(refused.status).toBe(503);
      const problem = (await refused.json()) as { type: string; detail: string };
      expect(problem.type).toBe('urn:thingward:problem:list-refused');
      // Which one it is, and why, is in the log of the server: these answers are for anybody.
      const told = 'a list failed its checks and is not published: the log of the server says which one and why';
      expect(problem.detail).toBe(told);
      const ready = await fetch(`${server.url}/readyz`);
      const said = (await ready.json()) as { detail: string };
      expect([ready.status, said.detail]).toEqual([503, told]);
      expect(() => server.services.lists.publisher.requireHealthy()).toThrow(
        expect.objectContaining({
          cause: expect.objectContaining({ message: expect.stringContaining(serialOf(one)) }),
        }),
      );
      await client.$executeRaw(
        sql`UPDATE certificates SET revoked_at = now(), reason = 'unspecified', revoked_position = 1 WHERE serial_number = ${serialOf(one)}`,
      );
      await server.owner.send('PATCH', `/v1/issuers/${issuerOf(one)}`, { listSuperseded: false });
      expect((await fetchCrl(server, path)).serials.sort()).toEqual([serialOf(one), serialOf(two)].sort());
      expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    } finally {
      await server.stop();
    }
  });

  it('where signing fails, readiness is red at half of the life of a list, and no list leaves after its end', async () => {
    const server = await startServer(kind);
    server.freeze();
    try {
      const token = (await enroll(server)).token;
      const device = await provision(server, token, 'frozen');
      const path = `/crl/${issuerOf(device)}.crl`;
      await server.services.chores.run('sign-lists');
      const { der } = await fetchCrl(server, path);
      // Dated back an hour.
      const signedAt = new X509Crl(der).thisUpdate.getTime() + 3_600_000;
      const travel = (seconds: number) => server.advance((signedAt - server.now().getTime()) / 1000 + seconds);
      const ready = async () => (await fetch(`${server.url}/readyz`)).status;
      // The table refuses new lists from here on, as a broken disk or key would make it.
      const { client } = server.database;
      await client.$executeRaw(
        sql`CREATE FUNCTION no_lists() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no lists''; END'`,
      );
      await client.$executeRaw(
        sql`CREATE TRIGGER no_lists BEFORE UPDATE ON crls FOR EACH ROW EXECUTE FUNCTION no_lists()`,
      );
      const seen: [number, number][] = [];
      for (const seconds of [2 * day, 3.5 * day - 2, 3.5 * day + 2, 7 * day - 2, 7 * day + 2]) {
        travel(seconds);
        seen.push([await ready(), (await fetchCrl(server, path)).status]);
      }
      expect(seen).toEqual([
        [200, 200],
        [200, 200],
        [503, 200],
        [503, 200],
        [503, 503],
      ]);
      await client.$executeRaw(sql`DROP TRIGGER no_lists ON crls`);
      await server.services.chores.run('sign-lists');
      expect([await ready(), (await fetchCrl(server, path)).status]).toEqual([200, 200]);
    } finally {
      await server.stop();
    }
  });

  it('the name of a deleted thing is free after its last certificate has expired, and not before', async () => {
    const server = await startServer(kind);
    server.freeze();
    try {
      const token = (await enroll(server)).token;
      const device = await provision(server, token, 'phoenix');
      expect((await server.owner.send('DELETE', '/v1/things/phoenix')).status).toBe(204);
      const again = async () => {
        await server.services.chores.run('free-names');
        return (await provision(server, token, 'phoenix')).answer;
      };
      expect(problemOf(await again())).toBe('thing-exists');
      const notAfter = new Date(device.answer.body.certificate.notAfter as string).getTime();
      server.advance((notAfter - server.now().getTime()) / 1000 - 5);
      expect((await again()).status).toBe(409);
      server.advance(10);
      const reborn = await again();
      expect(reborn.status).toBe(201);
      expect(reborn.body.thing.id).not.toBe(device.answer.body.thing.id);
      const { decision } = (
        await server.owner.post('/v1/authorize', {
          principal: { thingName: 'phoenix' },
          action: 'publish',
          resource: 'topic:default/phoenix/telemetry/x',
        })
      ).body;
      expect(decision).toBe('allow');
      const { items } = (await server.owner.get('/v1/things')).body;
      expect((items as { name: string }[]).map(({ name }) => name)).toEqual(['phoenix']);
    } finally {
      await server.stop();
    }
  });
});
