import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provision as agentProvision } from '../../../src/agent/agent.js';
import { createClient, problemOf, type Client } from '../../support/client.js';
import { databaseKinds, emptyDatabase, freshDatabase } from '../../support/databases/databases.js';
import { enroll, provision } from '../../support/fleet.js';
import { untilBusy } from '../../support/kill-loop.js';
import { csrPem, newKey } from '../../support/pki/csr.js';
import { startProgram, type Program } from '../../support/program.js';
import { describeWith } from '../../support/programs.js';
import { freePort } from '../../support/ports.js';
import { seeded } from '../../support/seeded.js';
import { startServer, type TestServer } from '../../support/server.js';
import { userFolder } from '../../support/shell.js';
import { createWaitingRoom } from '../../support/provisioning/waiting.js';

// `npm run approvals` approves more at the same time, and kills more often.
const crowd = Number(process.env['APPROVALS'] ?? 40);
const kills = Number(process.env['APPROVAL_KILLS'] ?? 2);
const uses = Math.floor(crowd * 0.4);

describe.each(databaseKinds)('devices that wait, on %s', (kind) => {
  let server: TestServer;
  let owner: Client;
  beforeAll(async () => {
    server = await startServer(kind);
    owner = server.owner;
  });
  afterAll(() => server.stop());

  const { nextName, wait, approve, deny } = createWaitingRoom(() => server);

  it('lists entries in pages, by enrollment and status', async () => {
    const { id, token } = await enroll(server, { approval: 'required' });
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await provision(server, token, nextName())).answer.body.id);
    await approve(ids[0]!);
    await deny(ids[1]!);
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await owner.get(`/v1/waiting?enrollment=${id}&limit=2${cursor}`);
      seen.push(...body.items.map((item: { id: string }) => item.id));
      cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : '';
    } while (cursor);
    expect(seen).toEqual(ids.toSorted());
    for (const [status, expected] of [
      ['approved', [ids[0]]],
      ['denied', [ids[1]]],
      ['waiting', ids.slice(2).toSorted()],
    ] as const) {
      const { body } = await owner.get(`/v1/waiting?enrollment=${id}&status=${status}`);
      expect(body.items.map((item: { id: string }) => item.id)).toEqual(expected);
    }
  });

  it('a key needs what a first boot of the enrollment does', async () => {
    const { waiting } = await wait({ deviceAttributes: ['site'] }, { attributes: { site: 'b' } });
    const keyWith = async (...permissions: string[]) =>
      server.as((await owner.post('/v1/api-keys', { permissions })).body.key as string);
    const plain = await keyWith('enrollments:write');
    expect((await plain.get('/v1/waiting')).status).toBe(403);
    expect((await plain.post(`/v1/waiting/${waiting}/approve`)).body.detail).toContain('policies:attach, things:write');
    const attaching = await keyWith('enrollments:write', 'policies:attach');
    expect((await attaching.post(`/v1/waiting/${waiting}/approve`)).body.detail).toContain('things:write');
    // Without attributes there is no effect that needs them.
    expect((await attaching.post(`/v1/waiting/${waiting}/approve`, { attributes: {} })).status).toBe(200);
    const reading = await keyWith('enrollments:read');
    expect((await reading.get('/v1/waiting')).status).toBe(200);
    expect((await reading.post(`/v1/waiting/${waiting}/deny`, { reason: 'x' })).status).toBe(403);
    expect((await plain.post(`/v1/waiting/${(await wait()).waiting}/deny`, { reason: 'x' })).status).toBe(200);
  });

  it('listens to 250 devices of an address, and then says so', async () => {
    const { ownerKey } = (await owner.post('/v1/accounts', { name: `crowd-${kind}` })).body;
    const other = server.as(ownerKey);
    const { token } = await enroll({ owner: other }, { approval: 'required' });
    const device = server.direct(token);
    const send = (n: number, key = newKey()) =>
      device.post('/v1/provision', { thingName: `c-${n}`, csr: csrPem({ key }) });
    const answers = await Promise.all(Array.from({ length: 250 }, (_, n) => send(n)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    const refused = await send(250);
    expect([refused.status, problemOf(refused)]).toEqual([429, 'too-many-requests']);
    expect(refused.headers.get('retry-after')).toBe('300');
    const ids: string[] = answers.map(({ body }) => body.id);
    await other.post(`/v1/waiting/${ids[0]}/deny`, { reason: 'x' });
    expect((await send(251)).status).toBe(202);
  });

  it('many approvals at the same time take exactly the uses that there are', async () => {
    const { id, token } = await enroll(server, { approval: 'required', maxUses: uses });
    const csrs = Array.from({ length: crowd }, () => csrPem());
    const device = server.direct(token);
    const ask = (csr: string, n: number) => device.post('/v1/provision', { thingName: `crowd-${n}`, csr });
    const ids = (await Promise.all(csrs.map(ask))).map(({ body }) => body.id as string);
    const operator = server.direct(server.ownerKey);
    const answers = await Promise.all(ids.map((each) => operator.post(`/v1/waiting/${each}/approve`, {})));
    const count = (of: { status: number }[], status: number) => of.filter((each) => each.status === status).length;
    expect([count(answers, 200), count(answers, 409)]).toEqual([uses, crowd - uses]);
    expect((await owner.get(`/v1/enrollments/${id}`)).body.uses).toBe(uses);
    const told = await Promise.all(csrs.map(ask));
    expect([count(told, 201), count(told, 401)]).toEqual([uses, crowd - uses]);
    expect((await owner.get(`/v1/things?enrollment=${id}&limit=1000`)).body.items).toHaveLength(uses);
  });

  it('the agent waits at the pace of the server, says so once, and gets what was approved', async () => {
    const { path, remove } = userFolder();
    const { token } = await enroll(server, { approval: 'required' });
    const [said, pauses]: [string[], number[]] = [[], []];
    const pause = async (ms: number) => {
      pauses.push(ms);
      if (pauses.length === 3) expect((await approve(said[0]!)).status).toBe(200);
    };
    const options = { server: server.url, enrollment: token, name: `agent-${kind}`, out: path, clock: server.now };
    const identity = await agentProvision({ ...options, pause, onWaiting: ({ id }) => said.push(id) });
    expect(identity.thingName).toBe(options.name);
    expect([said.length, pauses.length]).toEqual([1, 3]);
    for (const ms of pauses) expect(ms >= 30_000 && ms <= 37_500, String(ms)).toBe(true);
    remove();
  });

  it('the agent ends with the reason of a denial', async () => {
    const { path, remove } = userFolder();
    const { token } = await enroll(server, { approval: 'required' });
    let waiting = '';
    const asked = agentProvision({
      server: server.url,
      enrollment: token,
      name: `agent-denied-${kind}`,
      out: path,
      onWaiting: ({ id }) => (waiting = id),
      pause: () => deny(waiting, 'not on the list'),
    });
    await expect(asked).rejects.toMatchObject({
      code: 'approval-denied',
      message: expect.stringContaining('not on the list'),
    });
    remove();
  });
});

const ownerKeyOf = () => `twk_${randomBytes(32).toString('base64url')}`;

describeWith(databaseKinds.includes('postgresql') ? [] : ['initdb'], 'approvals on two instances', () => {
  it('give exactly the uses that there are, each entry once', { timeout: 600_000 }, async () => {
    const { settings } = await emptyDatabase('postgresql');
    const ownerKey = ownerKeyOf();
    const programs = await Promise.all([1, 2].map(() => startProgram({ ...settings, THINGWARD_OWNER_KEY: ownerKey })));
    try {
      const operators = programs.map(({ url }) => createClient(url, ownerKey));
      const made = await operators[0]!.post('/v1/enrollments', {
        thingNamePattern: '*',
        maxUses: uses,
        approval: 'required',
      });
      const { id, token } = made.body as { id: string; token: string };
      const devices = programs.map(({ url }) => createClient(url, token));
      const csrs = Array.from({ length: crowd }, () => csrPem());
      // Each device asks both at once: it is one wait.
      const waits = await Promise.all(
        csrs.map((csr, n) =>
          Promise.all(devices.map((each) => each.post('/v1/provision', { thingName: `two-${n}`, csr }))),
        ),
      );
      const ids = waits.map(([one, other]) => {
        expect([one!.status, other!.status, one!.body.id]).toEqual([202, 202, other!.body.id]);
        return one!.body.id as string;
      });
      const answers = await Promise.all(
        ids.flatMap((each) => operators.map((operator) => operator.post(`/v1/waiting/${each}/approve`, {}))),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(uses);
      expect(answers.filter(({ status }) => status === 409)).toHaveLength(2 * crowd - uses);
      expect((await operators[1]!.get(`/v1/enrollments/${id}`)).body.uses).toBe(uses);
      expect((await operators[0]!.get('/v1/things?limit=1000')).body.items).toHaveLength(uses);
    } finally {
      for (const program of programs) await program.kill();
    }
  });
});

describe.each(databaseKinds)('SIGKILL while devices are approved on %s', (kind) => {
  it('loses no approval, takes no use twice, and gives each device one certificate', { timeout: 900_000 }, async () => {
    const database = await freshDatabase(kind);
    const ownerKey = ownerKeyOf();
    const random = seeded('approval kill loop');
    const port = String(await freePort());
    const start = () => startProgram({ ...database.settings, THINGWARD_PORT: port, THINGWARD_OWNER_KEY: ownerKey });
    let program: Program = await start();
    const owner = createClient(program.url, ownerKey);
    const made = await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 10_000, approval: 'required' });
    const { id, token } = made.body as { id: string; token: string };
    const device = createClient(program.url, token);
    const given = new Map<string, string>();
    let [stopping, asked] = [false, 0];
    const one = async (): Promise<void> => {
      const [thingName, csr] = [`k-${asked++}`, csrPem()];
      for (;;) {
        const answer = await device.post('/v1/provision', { thingName, csr }).catch(() => undefined);
        if (answer?.status === 202)
          await owner.post(`/v1/waiting/${answer.body.id}/approve`, {}).catch(() => undefined);
        else if (answer?.status === 200 || answer?.status === 201) {
          given.set(thingName, answer.body.certificate.serialNumber);
          return;
        } else await sleep(50);
      }
    };
    const load = Array.from({ length: 8 }, async () => {
      while (!stopping) await one();
    });
    try {
      for (let kill = 0; kill < kills; kill++) {
        await untilBusy(() => given.size, kill, random);
        await program.kill('SIGKILL');
        program = await start();
      }
      await untilBusy(() => given.size, 1, random);
      stopping = true;
      await Promise.all(load);
      expect((await owner.get(`/v1/enrollments/${id}`)).body.uses).toBe(given.size);
      const held = (await owner.get('/v1/certificates?limit=1000')).body.items as { serialNumber: string }[];
      expect(held.map(({ serialNumber }) => serialNumber).toSorted()).toEqual([...given.values()].toSorted());
      const left = (await owner.get('/v1/waiting?status=waiting')).body.items;
      expect(left).toEqual([]);
      console.log(`approval kill loop on ${kind}: devices=${given.size}`);
    } finally {
      stopping = true;
      await program.kill();
      database.remove();
    }
  });
});
