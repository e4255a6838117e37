import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDecider, type Decider, type DeciderOptions } from '../../../src/edge/decider/decider.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const statements = [
  { id: 'own', effect: 'allow', actions: ['publish', 'receive'], resources: ['topic:d/${thing.name}/#'] },
  { id: 'all', effect: 'allow', actions: ['subscribe', 'receive'], resources: ['topic:news/+'] },
  { id: 'in', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
  { id: 'site', effect: 'allow', actions: ['publish'], resources: ['topic:site/${thing.attributes.site}/x'] },
  { id: 'never', effect: 'deny', actions: ['publish'], resources: ['topic:d/+/secret'] },
];

const questions = [
  ['publish', 'topic:d/NAME/t'],
  ['publish', 'topic:d/NAME/secret'],
  ['publish', 'topic:d/other/t'],
  ['subscribe', 'topic:news/+'],
  ['subscribe', 'topic:news/#'],
  ['receive', 'topic:news/today'],
  ['connect', 'client:NAME'],
  ['connect', 'client:x'],
  ['publish', 'topic:site/a/x'],
  ['publish', 'topic:#'],
] as const;

describe.each(databaseKinds)('a decider, on %s', (kind) => {
  let server: TestServer;
  let key: string;
  let stateDir: string;
  let devices: Device[];
  let bearerKey: string;
  const open: Decider[] = [];
  const errors: string[] = [];

  const keyOf = async (settings: object = {}): Promise<string> =>
    (await server.owner.post('/v1/api-keys', { name: 'edge', role: 'edge', ...settings })).body.key as string;

  const decider = async (options: Partial<DeciderOptions> = {}): Promise<Decider> => {
    const made = await createDecider({
      server: server.url,
      key,
      name: `e-${open.length}`,
      stateDir: mkdtempSync(join(stateDir, 'd-')),
      onError: ({ message }) => void errors.push(message),
      ...options,
    });
    open.push(made);
    return made;
  };

  /** Everything that is committed is applied there. */
  const settled = async (one: Decider): Promise<void> => {
    const at = `${server.services.log.epoch()}:${server.services.log.position()}`;
    await server.services.chores.run('tell-edge-streams-the-head');
    while (Number(one.cursor().split(':')[1]) < Number(at.split(':')[1]))
      await new Promise((resolve) => setTimeout(resolve, 5));
  };

  beforeAll(async () => {
    server = await startServer(kind);
    stateDir = mkdtempSync(join(tmpdir(), 'decider-'));
    await server.owner.post('/v1/policies', { name: 'p', statements });
    const { token } = await enroll(server, { policies: ['p'], attributes: { site: 'a' } });
    devices = await Promise.all([0, 1, 2, 3, 4].map((n) => provision(server, token, `t-${n}`)));
    key = await keyOf();
    bearerKey = await keyOf({ bearer: true });
  });

  afterAll(async () => {
    for (const each of open) await each.close();
    await server?.stop();
    rmSync(stateDir, { recursive: true, force: true });
  });

  const forms = (device: Device) => {
    const pem = pemOf(device);
    const fingerprint = createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
    const token = device.answer.body.token.accessToken as string;
    return [
      { token },
      { token, fingerprint },
      { fingerprint },
      { certificatePem: pem },
      { thingName: device.name },
      { token: `${token.slice(0, -2)}AA` },
      { fingerprint: '0'.repeat(64) },
    ];
  };

  const compare = async (one: Decider, byKey: string): Promise<number> => {
    let asked = 0;
    const client = server.as(byKey);
    for (const device of devices) {
      // However slow the machine is, the server is not away.
      await server.services.chores.run('tell-edge-streams-the-head');
      for (const principal of forms(device))
        for (const [action, resource] of questions) {
          const question = { principal, action, resource: resource.replace('NAME', device.name) };
          const { validUntil: _a, cursor: _b, ...here } = await one.decide(question);
          const { validUntil: _c, cursor: _d, ...there } = (await client.post('/v1/authorize', question)).body;
          expect(here, JSON.stringify(question)).toEqual(there);
          asked++;
        }
    }
    return asked;
  };

  it('decides as the control plane does, for every form of principal, before and after each kind of change', async () => {
    const one = await decider();
    const bearer = await decider({ key: bearerKey });
    let asked = 0;
    const round = async () => {
      await settled(one);
      await settled(bearer);
      asked += (await compare(one, key)) + (await compare(bearer, bearerKey));
    };
    await round();
    await server.owner.post(`/v1/certificates/${devices[0]!.answer.body.certificate.serialNumber}/revoke`, {
      reason: 'keyCompromise',
    });
    await server.owner.post('/v1/things/t-1/suspend');
    await server.owner.send('PATCH', '/v1/things/t-2', { attributes: { site: 'b' } });
    await round();
    await server.owner.post('/v1/things/t-1/resume');
    await server.owner.post('/v1/policies/p/versions', { statements: statements.slice(1) });
    await server.owner.post('/v1/policies/p/activate', { version: 2 });
    await round();
    await server.owner.send('POST', '/v1/things/t-3/revoke', { reason: 'unspecified' });
    await round();
    console.log(`decider on ${kind}: asked=${asked} differences=0`);
  });

  it('says that it enforces only after live sessions have ended', async () => {
    const one = await decider({ sessions: true });
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const seen: string[] = [];
    one.gate.follow(async (change) => {
      if (change.things.has('t-4')) {
        const isFirst = seen.push('asked to end') === 1;
        await released;
        return isFirst ? 3 : 0;
      }
      return 0;
    });
    await settled(one);
    const { position } = (await server.owner.post('/v1/things/t-4/suspend')).body as { position: number };
    const receipt = async () => (await server.owner.get(`/v1/revocations/${position}`)).body;
    const item = async () => (await receipt()).items.find(({ id }: { id: string }) => id === one.proxyId());
    while (seen.length === 0 || !(await item())) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await item()).toEqual({
      id: one.proxyId(),
      name: expect.any(String),
      mode: 'stream',
      sessions: true,
      appliedAt: expect.any(String),
    });
    expect((await receipt()).notEnforcedBy.map(({ id }: { id: string }) => id)).toContain(one.proxyId());
    release();
    while (!(await item()).enforcedAt) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await item()).toMatchObject({ sessionsClosed: 3 });
    await server.owner.post('/v1/things/t-4/resume');
  });

  it('ends everything when its key is deleted', async () => {
    const { body } = await server.owner.post('/v1/api-keys', { name: 'short', role: 'edge' });
    const one = await decider({ key: body.key as string, sessions: true });
    const changes: boolean[] = [];
    one.gate.follow(async ({ everything }) => changes.push(everything));
    await server.owner.send('DELETE', `/v1/api-keys/${body.id}`);
    while (one.gate.trust() !== 'refused') await new Promise((resolve) => setTimeout(resolve, 20));
    expect(
      await one.gate.identify({ token: devices[2]!.answer.body.token.accessToken, withoutCertificates: true }),
    ).toMatchObject({
      barred: 'refused',
    });
    expect(changes.at(-1)).toBe(true);
  });
});
