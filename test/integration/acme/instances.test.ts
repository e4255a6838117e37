import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acmeCsr, openAcme, type AcmeClient, type AcmeParty } from '../../support/acme/client.js';
import { refused } from '../../support/acme/stage.js';
import { databaseKinds, freshDatabase, sealingKey, type TestDatabase } from '../../support/databases/databases.js';
import { newKey } from '../../support/pki/csr.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds.filter((kind) => kind === 'postgresql'))('ACME on two instances with one %s', (kind) => {
  let database: TestDatabase;
  let servers: TestServer[];
  let acme: AcmeClient;
  let party: AcmeParty;
  beforeAll(async () => {
    database = await freshDatabase(kind);
    const settings = {
      THINGWARD_KEY: sealingKey,
      ...database.settings,
      THINGWARD_OWNER_KEY: `twk_${randomBytes(32).toString('base64url')}`,
      THINGWARD_PUBLIC_URL: 'https://things.example.com',
    };
    servers = [await startServer(kind, settings), await startServer(kind, settings)];
    const { body } = await servers[0]!.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1000 });
    let turn = 0;
    // A balancer that gives each request to the next instance; the URLs are those of the public name.
    acme = await openAcme('https://things.example.com', (url, init) =>
      fetch(url.replace('https://things.example.com', servers[turn++ % 2]!.url), init),
    );
    party = await acme.account(body.eab);
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
    database.remove();
  });

  it('links lead to the public URL, and a nonce of one instance counts on the other, once', async () => {
    expect(acme.directory['newOrder']).toBe('https://things.example.com/acme/new-order');
    expect(party.kid).toMatch(/^https:\/\/things\.example\.com\/acme\/account\//);
    for (let n = 0; n < 4; n++) {
      const nonce = await acme.freshNonce();
      const answers = [
        await party.ask(party.kid, undefined, { nonce }),
        await party.ask(party.kid, undefined, { nonce }),
      ];
      answers.push(await party.ask(party.kid, undefined, { nonce }));
      expect(answers[0]!.status).toBe(200);
      for (const again of answers.slice(1)) expect(refused(again)).toEqual([400, 'badNonce']);
    }
    const nonce = await acme.freshNonce();
    const answers = await Promise.all(Array.from({ length: 16 }, () => party.ask(party.kid, undefined, { nonce })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('two finalizes of one order at once lead to one thing and one certificate, for a first boot and for a renewal', async () => {
    const certificatesOf = async (name: string): Promise<string[]> => {
      const { body } = await servers[0]!.owner.get(`/v1/certificates?thing=${name}&limit=100`);
      return (body.items as { serialNumber: string }[]).map(({ serialNumber }) => serialNumber);
    };
    for (let n = 0; n < 6; n++) {
      const name = `twice-${n}`;
      for (const expected of [1, 2]) {
        const ordered = await party.order(name);
        const csr = acmeCsr([name]);
        const answers = await Promise.all(Array.from({ length: 4 }, () => party.ask(ordered.body.finalize, { csr })));
        expect(answers.map(({ status, body }) => [status, body.status])).toEqual(Array(4).fill([200, 'valid']));
        expect(new Set(answers.map(({ body }) => body.certificate)).size).toBe(1);
        expect(await certificatesOf(name)).toHaveLength(expected);
      }
    }
  });

  it('of two finalizes with different keys at once, one counts', async () => {
    for (const name of ['rivals-1', 'rivals-1', 'rivals-2']) {
      const ordered = await party.order(name);
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => party.ask(ordered.body.finalize, { csr: acmeCsr([name], newKey()) })),
      );
      const [won, ...others] = answers.filter(({ status }) => status === 200);
      expect([won!.body.status, others.length]).toEqual(['valid', 0]);
      for (const each of answers) if (each !== won) expect(refused(each)).toEqual([403, 'orderNotReady']);
    }
  });

  it('of two accounts that order one name at once, one gets it', async () => {
    const { body } = await servers[0]!.owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1000 });
    const parties = [await acme.account(body.eab), await acme.account(body.eab), party];
    for (let n = 0; n < 4; n++) {
      const done = await Promise.all(parties.map((each) => each.issue(`wanted-${n}`)));
      expect(done.filter(({ body: order }) => order.status === 'valid')).toHaveLength(1);
    }
  });
});
