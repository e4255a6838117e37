import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/pki/pem.js';
import { createAuthority } from '../../support/pki/authority.js';
import { createClient } from '../../support/client.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { startFakeIot, type FakeIot, type Fault } from '../../support/aws/fake-iot.js';
import { idOf } from '../../support/aws/fake-iot-state.js';
import { enroll, provision } from '../../support/fleet.js';
import { converge, inFake, mirrorInto, reconcile } from '../../support/aws/mirror.js';
import { awsAccount, awsEnvironment, region } from '../../support/aws/moto.js';
import { startProgram } from '../../support/program.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('the mirror under attack, on %s', (kind) => {
  let server: TestServer;
  let fake: FakeIot;
  let token: string;
  let fault: ((call: string, subject: string) => Fault | undefined) | undefined;
  beforeAll(async () => {
    Object.assign(process.env, awsEnvironment);
    fake = await startFakeIot({ faultFor: (call, subject) => fault?.(call, subject), pageSize: 50 });
    server = await startServer(kind, {}, { pause: 'by the clock' });
    ({ token } = await enroll(server));
    await server.owner.send('PUT', '/v1/aws', mirrorInto(fake.url));
    await converge(server);
  });
  afterAll(async () => {
    await server.stop();
    await fake.stop();
  });

  it('goes on at once after a clock that was two hours ahead', async () => {
    server.advance(7200);
    fault = () => 'throttle';
    const device = await provision(server, token, 'early');
    for (let n = 0; n < 5; n++) {
      await server.services.chores.run('mirror-into-aws');
      await server.services.aws.mirror.settled();
      server.advance(5);
    }
    fault = undefined;
    server.advance(-7200 - 25);
    const begun = server.now().getTime();
    for (let n = 0; n < 30; n++) {
      await server.services.chores.run('mirror-into-aws');
      await server.services.aws.mirror.settled();
      server.advance(1);
    }
    expect(inFake(fake, 'early', device.answer.body.certificate.fingerprint)).toMatchObject({
      attached: 'early',
      member: true,
    });
    expect(server.now().getTime() - begun, 'nobody waited for hours').toBeLessThan(600_000);
  });

  it('believes no answer that says nothing, and keeps none that is huge', async () => {
    const calls = [
      'CreateThing',
      'RegisterCertificateWithoutCA',
      'AttachPolicy',
      'AttachThingPrincipal',
      'AddThingToThingGroup',
    ];
    const left: { call: string; fault: Fault }[] = calls.flatMap((call) =>
      (['html', 'huge'] as const).map((each) => ({ call, fault: each })),
    );
    left.push({ call: 'RegisterCertificateWithoutCA', fault: 'empty' });
    fault = (call) => {
      const index = left.findIndex((each) => each.call === call);
      return index < 0 ? undefined : left.splice(index, 1)[0]!.fault;
    };
    const device = await provision(server, token, 'patient');
    await converge(server);
    expect(left).toEqual([]);
    fault = undefined;
    expect(inFake(fake, 'patient', device.answer.body.certificate.fingerprint)).toEqual({
      thing: true,
      status: 'ACTIVE',
      policies: ['thingward-sensor'],
      attached: 'patient',
      member: true,
    });
    expect((await reconcile(server)).counts).toEqual({});
  });

  it('refuses bad settings and odd events with a problem, never with 5xx', async () => {
    const good = { mode: 'register-without-ca', awsAccount, region };
    const bad: object[] = [
      {},
      { mode: 'on' },
      { mode: 'off', region },
      { ...good, awsAccount: '12' },
      { ...good, awsAccount: 123456789012 },
      { ...good, region: 'eu-central-1.evil.example' },
      { ...good, region: 'eu-central-1\0' },
      { ...good, region: '' },
      { ...good, endpoint: 'file:///etc/passwd' },
      { ...good, endpoint: 'gopher://x' },
      { ...good, roleArn: 'arn:aws:iam::1:role/x' },
      { ...good, rates: { CreateThing: 0 } },
      { ...good, rates: { CreateThing: 1e9 } },
      { ...good, rates: { DropAll: 1 } },
      { ...good, retentionDays: -1 },
      { ...good, thingGroup: 'a b' },
      { ...good, thingGroup: '' },
      { ...good, more: 1 },
    ];
    for (const body of bad)
      expect((await server.owner.send('PUT', '/v1/aws', body)).status, JSON.stringify(body)).toBe(400);
    for (const body of ['[]', '"x"', '{"dryRun":"yes"}', '{"dryRun":true,"x":1}'])
      for (const path of ['/v1/aws/reconcile', '/v1/aws/import'])
        expect((await server.owner.post(path, body)).status).toBe(400);
    const events: unknown[] = [
      {},
      { token: '' },
      { token: '\0' },
      { token: 'x'.repeat(60_000) },
      { protocols: ['tls'], protocolData: {} },
      { protocolData: { mqtt: { password: '%%%' } } },
      { protocolData: { mqtt: { password: '' }, http: { headers: {} } } },
      { protocolData: { http: { headers: { authorization: 'Bearer ' } } } },
      { protocolData: { http: { headers: { Authorization: 'Basic eA==' } } } },
    ];
    for (const event of events) {
      const { status, body } = await server.owner.post('/integrations/aws-authorizer', event);
      expect([status, body.isAuthenticated], JSON.stringify(event).slice(0, 80)).toEqual([200, false]);
    }
    for (const event of [{ token: 1 }, { protocols: 'mqtt' }, { protocolData: { http: { headers: { a: ['b'] } } } }])
      expect((await server.owner.post('/integrations/aws-authorizer', event)).status).toBe(400);
  });

  it('two first settings at once, two comparisons, two imports: one of each', async () => {
    const { body } = await server.owner.post('/v1/accounts', { name: `acme-${randomBytes(3).toString('hex')}` });
    const acme = server.as(body.ownerKey);
    const settings = {
      mode: 'register-without-ca',
      awsAccount: '210987654321',
      region,
      roleArn: 'arn:aws:iam::210987654321:role/t',
    };
    const puts = await Promise.all([1, 2, 3].map(() => acme.send('PUT', '/v1/aws', settings)));
    expect(puts.map(({ status }) => status)).toEqual([200, 200, 200]);
    await acme.send('PUT', '/v1/aws', { mode: 'off' });
    for (const path of ['/v1/aws/reconcile', '/v1/aws/import']) {
      const posts = await Promise.all([1, 2, 3].map(() => server.owner.post(path, { dryRun: true })));
      expect(posts.map(({ status }) => status).sort(), path).toEqual([202, 409, 409]);
      await server.services.chores.run('compare-with-aws');
      await server.services.chores.run('import-from-aws');
      await Promise.all([server.services.aws.reconciler.settled(), server.services.aws.importer.settled()]);
    }
  });
});

describe.each(databaseKinds)('killed in the middle, on %s', (kind) => {
  it('an import and a comparison go on, and nothing comes twice', async () => {
    let [armed, met]: [string | undefined, () => void] = [undefined, () => {}];
    let seen = 0;
    const fake = await startFakeIot({
      pageSize: 5,
      faultFor(call): Fault | undefined {
        if (call !== armed || ++seen < 8) return undefined;
        [armed, seen] = [undefined, 0];
        met();
        return 'before';
      },
    });
    for (let n = 0; n < 12; n++) {
      const { root } = await createAuthority('elsewhere', 'ec-p256', new Date());
      const pem = encodePem('CERTIFICATE', root.certificateDer);
      fake.things.set(`old-${n}`, { attributes: {}, type: undefined });
      fake.certificates.set(idOf(pem), { pem, status: 'ACTIVE', policies: new Set(), thing: `old-${n}` });
    }
    const database = await freshDatabase(kind);
    const ownerKey = `twk_${randomBytes(24).toString('base64url')}`;
    const start = () => startProgram({ ...database.settings, ...awsEnvironment, THINGWARD_OWNER_KEY: ownerKey });
    let program = await start();
    try {
      const owner = () => createClient(program.url, ownerKey);
      await owner().send('PUT', '/v1/aws', mirrorInto(fake.url));
      const killIn = async (call: string, path: string) => {
        const hit = new Promise<void>((resolve) => (met = resolve));
        armed = call;
        const { body } = await owner().post(path);
        await hit;
        await program.kill('SIGKILL');
        program = await start();
        for (;;) {
          const answer = (await owner().get(`${path}/${body.id}`)).body;
          if (answer.status !== 'running') return answer;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const imported = await killIn('DescribeCertificate', '/v1/aws/import');
      expect(imported).toMatchObject({ status: 'done', seen: 12 });
      const things = (await owner().get('/v1/things?limit=100')).body.items;
      expect(things).toHaveLength(12);
      expect(new Set(things.map(({ enrollment }: any) => enrollment))).toEqual(new Set([imported.enrollment]));
      while ((await owner().get('/v1/aws')).body.queue.pending > 0)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await killIn('ListThingPrincipals', '/v1/aws/reconcile')).toMatchObject({ status: 'done', counts: {} });
    } finally {
      await program.kill('SIGKILL');
      await fake.stop();
      database.remove();
    }
  });
});
