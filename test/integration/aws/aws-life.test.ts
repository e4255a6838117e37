import { afterAll, beforeAll, expect, it } from 'vitest';
import { problemOf } from '../../support/client.js';
import { enroll, provision, renew, useKey, type Device } from '../../support/fleet.js';
import { converge, mirrorInto, reconcile } from '../../support/aws/mirror.js';
import { awsEnvironment, startMoto, type Moto } from '../../support/aws/moto.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

describeWith(['moto_server', 'aws'], 'a life in AWS IoT, as Moto and the AWS command line see it', () => {
  let server: TestServer;
  let moto: Moto;
  let token: string;
  let pump: Device;
  beforeAll(async () => {
    Object.assign(process.env, awsEnvironment);
    moto = await startMoto();
    server = await startServer(databaseKinds.at(-1)!, {}, { pause: 'by the clock' });
    ({ token } = await enroll(server, { thingType: 'sensor', attributes: { site: 'berlin' } }));
  });
  afterAll(async () => {
    await server?.stop();
    await moto?.stop();
  });

  const iot = (...args: string[]) => moto.aws('iot', ...args);
  const certificateOf = async (name: string) =>
    (await server.owner.get(`/v1/things/${name}`)).body.aws.certificateId as string;
  const arnOf = async (id: string) =>
    (await iot('describe-certificate', '--certificate-id', id)).certificateDescription.certificateArn as string;
  const policiesOf = async (arn: string) =>
    (await iot('list-attached-policies', '--target', arn)).policies
      .map(({ policyName }: { policyName: string }) => policyName)
      .sort();
  const documentOf = async (name: string) =>
    JSON.parse((await iot('get-policy', '--policy-name', name)).policyDocument);

  it('is off until it is switched on, and says nothing of AWS', async () => {
    expect((await server.owner.get('/v1/aws')).body).toEqual({ mode: 'off', externalId: 'default' });
    expect((await provision(server, token, 'before')).answer.body.aws).toBeUndefined();
    expect(problemOf(await server.owner.post('/v1/aws/reconcile'))).toBe('not-found');
  });

  it('takes over what was here before, and answers a first boot without waiting', async () => {
    const on = await server.owner.send('PUT', '/v1/aws', mirrorInto(moto.url));
    expect(on.body).toMatchObject({ mode: 'register-without-ca', queue: { pending: 4, failed: 0 } });
    pump = await provision(server, token, 'pump-1');
    expect(pump.answer.body.aws).toEqual({
      thingArn: 'arn:aws:iot:eu-central-1:123456789012:thing/pump-1',
      certificateId: pump.answer.body.certificate.fingerprint,
      status: 'pending',
    });
    await converge(server);
    expect((await iot('list-things')).things.map(({ thingName }: { thingName: string }) => thingName).sort()).toEqual([
      'before',
      'pump-1',
    ]);
    const thing = await iot('describe-thing', '--thing-name', 'pump-1');
    expect(thing).toMatchObject({
      thingTypeName: 'sensor',
      attributes: { site: 'berlin', thingward: `default/${pump.answer.body.thing.id}` },
    });
    const id = await certificateOf('pump-1');
    const { certificateDescription } = await iot('describe-certificate', '--certificate-id', id);
    expect(certificateDescription).toMatchObject({
      status: 'ACTIVE',
      certificatePem: pump.answer.body.certificate.pem,
    });
    expect(await policiesOf(await arnOf(id))).toEqual(['thingward-sensor']);
    expect((await iot('list-thing-principals', '--thing-name', 'pump-1')).principals).toEqual([await arnOf(id)]);
    expect((await iot('list-things-in-thing-group', '--thing-group-name', 'thingward')).things.sort()).toEqual([
      'before',
      'pump-1',
    ]);
    expect((await server.owner.get('/v1/things?limit=10')).body.items.map(({ aws }: any) => aws.status)).toEqual([
      'active',
      'active',
    ]);
  });

  it('follows a policy through more versions than AWS keeps', async () => {
    const shown = (await server.owner.get('/v1/policies/sensor/aws')).body;
    expect(await documentOf('thingward-sensor')).toEqual(shown.document);
    for (let version = 2; version <= 8; version++) {
      const statements = [
        {
          id: 'connect',
          effect: 'allow',
          actions: ['connect'],
          resources: ['client:${thing.name}', `client:v${version}`],
        },
      ];
      await server.owner.post('/v1/policies/sensor/versions', { statements });
      await server.owner.post('/v1/policies/sensor/activate', { version });
      await converge(server);
    }
    const { policyVersions } = await iot('list-policy-versions', '--policy-name', 'thingward-sensor');
    expect(policyVersions).toHaveLength(5);
    expect(JSON.stringify(await documentOf('thingward-sensor'))).toContain('client/v8');
    await server.owner.post('/v1/policies/sensor/activate', { version: 1 });
    await converge(server);
    expect(await documentOf('thingward-sensor')).toEqual(shown.document);
  });

  it('closes a policy that cannot be said, rather than leaving an older one', async () => {
    const resources = Array.from({ length: 80 }, (_, n) => `topic:default/secret/${n}/${'x'.repeat(20)}`);
    await server.owner.post('/v1/policies', {
      name: 'wordy',
      statements: [{ id: 'deny', effect: 'deny', actions: ['publish'], resources }],
    });
    await converge(server);
    const { body } = await server.owner.get('/v1/policies/wordy/aws');
    expect(body).toMatchObject({ refusals: [{ message: expect.stringContaining('2048') }], aws: { status: 'failed' } });
    expect(body.document).toBeUndefined();
    expect((await documentOf('thingward-wordy')).Statement).toEqual([
      { Effect: 'Deny', Action: ['iot:*'], Resource: ['*'] },
    ]);
  });

  it('follows attributes and the policies of a thing', async () => {
    await server.owner.send('PATCH', '/v1/things/pump-1', {
      attributes: { site: null, hall: '7', note: 'not for AWS' },
    });
    await server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['camera', 'actuator'] });
    await converge(server);
    expect(Object.keys((await iot('describe-thing', '--thing-name', 'pump-1')).attributes).sort()).toEqual([
      'hall',
      'thingward',
    ]);
    expect(await policiesOf(await arnOf(await certificateOf('pump-1')))).toEqual([
      'thingward-actuator',
      'thingward-camera',
    ]);
  });

  it('suspends as INACTIVE and resumes as ACTIVE', async () => {
    const id = await certificateOf('pump-1');
    const status = async () =>
      (await iot('describe-certificate', '--certificate-id', id)).certificateDescription.status as string;
    await server.owner.post('/v1/things/pump-1/suspend');
    await converge(server);
    expect(await status()).toBe('INACTIVE');
    await server.owner.post('/v1/things/pump-1/resume');
    await converge(server);
    expect(await status()).toBe('ACTIVE');
    expect(await policiesOf(await arnOf(id))).toHaveLength(2);
  });

  it('repairs what somebody changed there, after telling of it', async () => {
    const id = await certificateOf('pump-1');
    const arn = await arnOf(id);
    await iot('update-certificate', '--certificate-id', id, '--new-status', 'INACTIVE');
    await iot('detach-policy', '--policy-name', 'thingward-camera', '--target', arn);
    await iot(
      'update-thing',
      '--thing-name',
      'before',
      '--attribute-payload',
      '{"attributes":{"site":"paris"},"merge":true}',
    );
    await iot(
      'create-policy',
      '--policy-name',
      'thingward-nobodys',
      '--policy-document',
      '{"Version":"2012-10-17","Statement":[]}',
    );
    await iot('attach-policy', '--policy-name', 'thingward-nobodys', '--target', arn);
    await iot(
      'create-thing',
      '--thing-name',
      'orphan',
      '--attribute-payload',
      `{"attributes":{"thingward":"default/${crypto.randomUUID()}"}}`,
    );
    await iot('create-thing', '--thing-name', 'somebodys');
    const { policyVersions } = await iot('list-policy-versions', '--policy-name', 'thingward-sensor');
    const idle = policyVersions.find(({ isDefaultVersion }: any) => !isDefaultVersion).versionId as string;
    await iot('delete-policy-version', '--policy-name', 'thingward-sensor', '--policy-version-id', idle);
    await iot(
      'create-policy-version',
      '--policy-name',
      'thingward-sensor',
      '--policy-document',
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}',
      '--set-as-default',
    );
    await iot('detach-thing-principal', '--thing-name', 'pump-1', '--principal', arn);
    const told = await reconcile(server, true);
    expect(told.counts).toEqual({
      'changed-thing': 1,
      'orphan-thing': 1,
      'wrong-status': 1,
      'changed-policy': 1,
      'orphan-policy': 1,
      'missing-attachment': 1,
      'wrong-policies': 1,
    });
    expect((await server.owner.get('/v1/things/pump-1')).body.aws.status).toBe('drifted');
    expect((await iot('describe-certificate', '--certificate-id', id)).certificateDescription.status).toBe('INACTIVE');
    await reconcile(server);
    await converge(server);
    expect((await reconcile(server)).counts).toEqual({});
    expect((await iot('describe-certificate', '--certificate-id', id)).certificateDescription.status).toBe('ACTIVE');
    expect(await policiesOf(arn)).toEqual(['thingward-actuator', 'thingward-camera']);
    expect(await documentOf('thingward-sensor')).toEqual(
      (await server.owner.get('/v1/policies/sensor/aws')).body.document,
    );
    expect((await iot('list-things')).things.map(({ thingName }: any) => thingName).sort()).toEqual([
      'before',
      'pump-1',
      'somebodys',
    ]);
    expect((await server.owner.get('/v1/things/pump-1')).body.aws).toEqual({
      thingArn: expect.any(String),
      certificateId: id,
      status: 'active',
    });
  });

  it('renews: the old certificate goes when the new one is used', async () => {
    const again = await renew(server, pump);
    await converge(server);
    const [old, fresh] = [pump, again].map(({ answer }) => answer.body.certificate.serialNumber as string);
    const statuses = async () => (await iot('list-certificates')).certificates.map(({ status }: any) => status).sort();
    expect(await statuses()).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
    await useKey(server, again);
    await converge(server);
    expect((await server.owner.get(`/v1/certificates/${old}`)).body.status).toBe('superseded');
    expect((await server.owner.get(`/v1/certificates/${fresh}`)).body.status).toBe('active');
    expect(await statuses()).toEqual(['ACTIVE', 'ACTIVE', 'INACTIVE']);
    expect((await iot('list-thing-principals', '--thing-name', 'pump-1')).principals).toHaveLength(1);
    pump = again;
  });

  it('revokes here first, then there; deletes the thing, and the certificate when its time has come', async () => {
    const id = await certificateOf('pump-1');
    const serial = pump.answer.body.certificate.serialNumber as string;
    const revoked = await server.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'keyCompromise' });
    expect(revoked.body).toMatchObject({ status: 'revoked', aws: { status: 'pending' } });
    await converge(server);
    expect((await iot('describe-certificate', '--certificate-id', id)).certificateDescription.status).toBe('REVOKED');
    expect(await policiesOf(await arnOf(id))).toEqual([]);
    expect((await iot('list-thing-principals', '--thing-name', 'pump-1')).principals).toEqual([]);
    await server.owner.send('DELETE', '/v1/things/pump-1');
    await converge(server);
    expect((await iot('list-things')).things.map(({ thingName }: any) => thingName)).not.toContain('pump-1');
    expect((await reconcile(server)).counts, 'a deleted thing is missed by nobody').toEqual({});
    server.advance(31 * 86_400);
    await converge(server);
    expect((await iot('list-certificates')).certificates).toHaveLength(1);
    expect((await reconcile(server)).counts).toEqual({});
  });

  it('stays as it is in AWS when it is switched off', async () => {
    expect((await server.owner.send('PUT', '/v1/aws', { mode: 'off' })).body.mode).toBe('off');
    expect((await provision(server, token, 'after')).answer.body.aws).toBeUndefined();
    await server.services.chores.run('mirror-into-aws');
    expect((await iot('list-things')).things.map(({ thingName }: any) => thingName)).not.toContain('after');
    await server.owner.send('PUT', '/v1/aws', mirrorInto(moto.url));
    await converge(server);
    expect((await iot('list-things')).things.map(({ thingName }: any) => thingName)).toContain('after');
  });
});
