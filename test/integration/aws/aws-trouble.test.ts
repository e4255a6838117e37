import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { problemOf, type Client } from '../../support/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { startFakeIot, type FakeIot, type Fault } from '../../support/aws/fake-iot.js';
import { enroll, provision } from '../../support/fleet.js';
import { converge, inFake, mirrorInto } from '../../support/aws/mirror.js';
import { awsAccount, awsEnvironment, region } from '../../support/aws/moto.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('what can be wrong with AWS, on %s', (kind) => {
  let server: TestServer;
  let fake: FakeIot;
  let token: string;
  let denied: string | undefined;
  beforeEach(async () => {
    Object.assign(process.env, awsEnvironment);
    denied = undefined;
    fake = await startFakeIot({
      trusts: ({ externalId }) => externalId !== 'mallory',
      faultFor: (call): Fault | undefined => (call === denied ? 'denied' : undefined),
      pageSize: 3,
    });
    server = await startServer(kind, {}, { pause: 'by the clock' });
    ({ token } = await enroll(server));
  });
  afterEach(async () => {
    await server.stop();
    await fake.stop();
  });

  const put = (settings: object) => server.owner.send('PUT', '/v1/aws', settings);
  const tick = async () => {
    await server.services.chores.run('mirror-into-aws');
    await server.services.aws.mirror.settled();
  };
  /** On a slow machine a call gives up and is repeated later, by the clock. */
  const ticksUntil = async (who: Client, expected: object) => {
    for (let round = 1; round <= 20; round++) {
      await tick();
      const { body } = await who.get('/v1/aws');
      if (round === 20 || expect.objectContaining(expected).asymmetricMatch(body))
        return expect(body).toMatchObject(expected);
      server.advance(301);
    }
  };
  const awsOf = async (name: string) => (await server.owner.get(`/v1/things/${name}`)).body.aws;

  it('names the call and the permission that is missing, calls no more, and goes on when it is there', async () => {
    denied = 'AttachPolicy';
    await put(mirrorInto(fake.url));
    for (let n = 0; n < 40; n++) expect((await provision(server, token, `d-${n}`)).answer.status).toBe(201);
    await tick();
    await tick();
    const { body } = await server.owner.get('/v1/aws');
    expect(body.trouble).toMatchObject({ call: 'AttachPolicy', reason: expect.stringContaining('iot:AttachPolicy') });
    expect(body.trouble.reason).toContain('POST /v1/aws/retry');
    expect(body.queue.pending + body.queue.failed).toBeGreaterThan(20);
    const metrics = (await server.as(undefined).get('/metrics')).text;
    expect(metrics).toMatch(/^thingward_aws_queue_depth\{status="failed"\} [1-9]/m);
    expect(metrics).toMatch(/^thingward_aws_queue_age_seconds \d/m);
    const calls = fake.calls.length;
    for (let n = 0; n < 5; n++) await tick();
    expect(fake.calls.length, 'blocked').toBe(calls);
    const failed = (await server.owner.get('/v1/things?limit=100')).body.items.find(
      ({ aws }: any) => aws.status === 'failed',
    );
    expect(failed.aws.reason).toContain('iot:AttachPolicy');
    // A look every five minutes, with one saga, whether it is mended.
    server.advance(301);
    await tick();
    expect(fake.calls.length - calls).toBeLessThanOrEqual(5);
    denied = undefined;
    server.advance(301);
    await converge(server);
    expect((await server.owner.get('/v1/aws')).body).toMatchObject({ queue: { pending: 0, failed: 0 } });
    expect((await server.owner.get('/v1/aws')).body.trouble).toBeUndefined();
    expect(fake.things.size).toBe(40);
  });

  it('is tried again at once when somebody says so', async () => {
    denied = 'CreateThing';
    await put(mirrorInto(fake.url));
    await provision(server, token, 'd-1');
    await tick();
    await tick();
    expect((await awsOf('d-1')).status).toBe('failed');
    denied = undefined;
    expect((await server.owner.post('/v1/things/d-1/aws/retry')).body).toEqual({ retried: 1 });
    await converge(server);
    expect((await awsOf('d-1')).status).toBe('active');
    expect((await server.owner.post('/v1/aws/retry')).body).toEqual({ retried: 0 });
    expect(problemOf(await server.owner.post('/v1/things/nobody/aws/retry'))).toBe('not-found');
  });

  it('refuses credentials of another AWS account before anything is written', async () => {
    await put(mirrorInto(fake.url, { awsAccount: '210987654321' }));
    await provision(server, token, 'd-1');
    await tick();
    expect((await server.owner.get('/v1/aws')).body.trouble).toMatchObject({
      call: 'GetCallerIdentity',
      reason: expect.stringContaining(`${awsAccount}, not to 210987654321`),
    });
    expect(fake.calls).toEqual([]);
  });

  it('says so when the region has no host, or AWS cannot be reached; first boots go on', async () => {
    await put({ ...mirrorInto('http://iot.invalid'), stsEndpoint: fake.url });
    expect((await provision(server, token, 'd-1')).answer.status).toBe(201);
    await tick();
    expect((await server.owner.get('/v1/aws')).body.trouble.reason).toContain(`the region ${region}`);
    await put(mirrorInto('http://127.0.0.1:9', { stsEndpoint: fake.url }));
    await tick();
    expect((await server.owner.get('/v1/aws')).body.trouble).toBeUndefined();
    expect(await awsOf('d-1')).toMatchObject({ status: 'pending', reason: expect.stringContaining('ECONNREFUSED') });
    await put(mirrorInto(fake.url));
    await converge(server);
    expect((await awsOf('d-1')).status).toBe('active');
  });

  it('takes a role with the account as ExternalId, and registers under the CA of the account', async () => {
    const roleArn = `arn:aws:iam::${awsAccount}:role/thingward`;
    const { body } = await server.owner.post('/v1/accounts', { name: 'acme' });
    const acme = server.as(body.ownerKey);
    const settings = { mode: 'register-with-ca', awsAccount, region };
    expect((await acme.send('PUT', '/v1/aws', { ...settings, endpoint: fake.url })).body.detail).toContain(
      'owner of default',
    );
    expect((await acme.send('PUT', '/v1/aws', settings)).body.detail).toContain('roleArn');
    expect(
      (await acme.send('PUT', '/v1/aws', { ...settings, roleArn: roleArn.replace(awsAccount, '210987654321') })).status,
    ).toBe(400);
    await put({ ...mirrorInto(fake.url), mode: 'register-with-ca', roleArn });
    const device = await provision(server, token, 'd-1');
    await converge(server);
    expect(fake.roles[0]).toEqual({ roleArn, externalId: 'default' });
    expect(fake.authorities.size).toBe(1);
    expect(inFake(fake, 'd-1', device.answer.body.certificate.fingerprint)).toMatchObject({
      status: 'ACTIVE',
      attached: 'd-1',
    });
    expect((await acme.send('PUT', '/v1/aws', { ...settings, region: 'eu-west-1', roleArn })).body.externalId).toBe(
      'acme',
    );
    // What is in the old place would stay as it is: that has to be said.
    const moved = { ...settings, region: 'eu-west-2', roleArn };
    expect((await acme.send('PUT', '/v1/aws', moved)).body.detail).toContain('switch the mirror off first');
    await acme.send('PUT', '/v1/aws', { mode: 'off' });
    expect((await acme.send('PUT', '/v1/aws', moved)).status).toBe(200);
  });

  it('holds an AWS account once its role was taken with the ExternalId; a claim without that tells and takes nothing', async () => {
    // Tenants name no endpoints: the SDK finds this one.
    process.env['AWS_ENDPOINT_URL'] = fake.url;
    const settings = {
      mode: 'register-without-ca',
      awsAccount,
      region,
      roleArn: `arn:aws:iam::${awsAccount}:role/thingward`,
    };
    const tenant = async (name: string) =>
      server.as((await server.owner.post('/v1/accounts', { name })).body.ownerKey as string);
    const claim = async (who: Client) => {
      const { status, body } = await who.send('PUT', '/v1/aws', settings);
      return { status, ...body, externalId: undefined };
    };
    try {
      const [mallory, acme] = [await tenant('mallory'), await tenant('acme')];
      const before = await claim(mallory);
      expect(before).toMatchObject({ status: 200, held: false });
      const trouble = expect.objectContaining({
        call: 'AssumeRole',
        reason: expect.stringContaining('AccessDenied'),
      });
      await ticksUntil(mallory, { held: false, trouble });

      expect(await claim(acme)).toMatchObject({ status: 200, held: false });
      await provision(server, (await enroll({ owner: acme })).token, 'd-1');
      await ticksUntil(acme, { held: true });
      for (let round = 1; round <= 20 && !fake.things.has('d-1'); round++) {
        server.advance(301);
        await tick();
      }
      expect(fake.things.has('d-1')).toBe(true);

      expect(await claim(mallory)).toEqual(before);
      const { body: run } = await mallory.post('/v1/aws/import', {});
      await server.services.chores.run('import-from-aws');
      await server.services.aws.importer.settled();
      const { body } = await mallory.get(`/v1/aws/import/${run.id}`);
      expect(body).toMatchObject({ status: 'failed', seen: 0, reason: expect.stringContaining('AccessDenied') });

      // Who proves it second is told so, and by that time it is theirs to know.
      const second = await tenant('second');
      await claim(second);
      await ticksUntil(second, {
        held: false,
        trouble: expect.objectContaining({ reason: expect.stringContaining('mirrored already') }),
      });
      await acme.send('PUT', '/v1/aws', { mode: 'off' });
      await second.post('/v1/aws/retry');
      await ticksUntil(second, { held: true });
    } finally {
      delete process.env['AWS_ENDPOINT_URL'];
    }
  });

  it("leaves somebody else's thing of the same name alone, and says what to do", async () => {
    fake.things.set('d-1', { attributes: { owner: 'somebody' }, type: undefined });
    await put(mirrorInto(fake.url));
    await provision(server, token, 'd-1');
    await converge(server);
    expect(await awsOf('d-1')).toMatchObject({ status: 'failed', reason: expect.stringContaining('did not make') });
    await server.owner.send('DELETE', '/v1/things/d-1');
    await converge(server);
    expect(fake.things.get('d-1')).toEqual({ attributes: { owner: 'somebody' }, type: undefined });
    expect([...fake.certificates.values()].filter(({ status }) => status === 'ACTIVE')).toEqual([]);
  });

  it('never has a revoked device active there, however the two meet', async () => {
    await put(mirrorInto(fake.url));
    const devices = [];
    for (let n = 0; n < 60; n++) {
      const device = await provision(server, token, `d-${n}`);
      devices.push(device);
      const mirroring = tick();
      if (n % 3 === 0) await server.owner.post(`/v1/things/d-${n}/suspend`);
      if (n % 3 === 1) await server.owner.post(`/v1/things/d-${n}/revoke`);
      await mirroring;
    }
    await converge(server);
    const statuses = devices.map(({ name, answer }) => inFake(fake, name, answer.body.certificate.fingerprint));
    statuses.forEach(({ status, attached }, n) => {
      if (n % 3 === 0) expect(status ?? 'INACTIVE', `d-${n}`).toBe('INACTIVE');
      if (n % 3 === 1) expect([status ?? 'REVOKED', attached], `d-${n}`).toEqual(['REVOKED', undefined]);
      if (n % 3 === 2) expect([status, attached], `d-${n}`).toEqual(['ACTIVE', `d-${n}`]);
    });
  });
});
