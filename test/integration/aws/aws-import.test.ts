import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/pki/pem.js';
import { createAuthority } from '../../support/pki/authority.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { startFakeIot, type FakeIot } from '../../support/aws/fake-iot.js';
import { assertion, assertionType, provision, thumbprint } from '../../support/fleet.js';
import { converge, mirrorInto, reconcile } from '../../support/aws/mirror.js';
import { awsEnvironment, startMoto, type Moto } from '../../support/aws/moto.js';
import { csrPem, newKey } from '../../support/pki/csr.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

const document = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'iot:Connect',
      Resource: 'arn:aws:iot:eu-central-1:123456789012:client/${iot:Connection.Thing.ThingName}',
      Condition: { Bool: { 'iot:Connection.Thing.IsAttached': ['true'] } },
    },
    {
      Sid: 'own',
      Effect: 'Allow',
      Action: ['iot:Publish', 'iot:Receive', 'iot:RetainPublish'],
      Resource: [
        'arn:aws:iot:eu-central-1:123456789012:topic/dt/${iot:Connection.Thing.ThingName}/*',
        'arn:aws:iot:us-west-2:123456789012:topic/elsewhere',
      ],
    },
    { Effect: 'Allow', Action: 'iot:UpdateThingShadow', Resource: '*' },
  ],
});

/** Takes a fleet over, to the end. */
async function importFleet(server: TestServer, dryRun: boolean) {
  const { body } = await server.owner.post('/v1/aws/import', { dryRun });
  for (;;) {
    await server.services.chores.run('import-from-aws');
    await server.services.aws.importer.settled();
    const answer = await server.owner.get(`/v1/aws/import/${body.id}`);
    if (answer.body.status !== 'running') return answer.body;
  }
}

describeWith(['moto_server', 'aws'], 'a fleet that is in AWS already, as Moto has it', () => {
  let server: TestServer;
  let moto: Moto;
  let device: { pem: string; key: string; arn: string; id: string };
  const iot = (...args: string[]) => moto.aws('iot', ...args);
  beforeAll(async () => {
    Object.assign(process.env, awsEnvironment);
    moto = await startMoto();
    server = await startServer(databaseKinds.at(-1)!, {}, { pause: 'by the clock' });
    await server.owner.send('PUT', '/v1/aws', mirrorInto(moto.url));
    await iot('create-policy', '--policy-name', 'Old.Policy', '--policy-document', document);
    for (const name of ['old-1', 'old-2']) {
      await iot('create-thing', '--thing-name', name, '--attribute-payload', '{"attributes":{"site":"oslo"}}');
      const made = await iot('create-keys-and-certificate', '--set-as-active');
      await iot('attach-policy', '--policy-name', 'Old.Policy', '--target', made.certificateArn);
      await iot('attach-thing-principal', '--thing-name', name, '--principal', made.certificateArn);
      if (name === 'old-1')
        device = {
          pem: made.certificatePem,
          key: made.keyPair.PrivateKey,
          arn: made.certificateArn,
          id: made.certificateId,
        };
    }
    await iot(
      'create-thing',
      '--thing-name',
      'full',
      '--attribute-payload',
      '{"attributes":{"a":"1","b":"2","c":"3"}}',
    );
    await converge(server);
  });
  afterAll(async () => {
    await server?.stop();
    await moto?.stop();
  });

  it('tells first, and writes nothing', async () => {
    const told = await importFleet(server, true);
    expect(told).toMatchObject({ status: 'done', seen: 3, counts: { imported: 2, skipped: 1 } });
    expect(told.items.find(({ thing }: any) => thing === 'full').warnings[0]).toContain('3 attributes');
    expect(told.policies).toEqual([
      { awsName: 'Old.Policy', name: 'aws-Old-Policy', warnings: [expect.stringContaining('UpdateThingShadow')] },
    ]);
    expect((await server.owner.get('/v1/things')).body.items).toEqual([]);
  });

  it('takes things, certificates and policies, and leaves AWS as it was', async () => {
    const taken = await importFleet(server, false);
    expect(taken.counts).toEqual({ imported: 2, skipped: 1 });
    await converge(server);
    const { body } = await server.owner.get('/v1/things/old-1');
    expect(body).toMatchObject({
      attributes: { site: 'oslo' },
      policies: ['aws-Old-Policy'],
      enrollment: taken.enrollment,
      aws: { status: 'active', certificateId: device.id },
    });
    expect(
      (await iot('list-attached-policies', '--target', device.arn)).policies.map(({ policyName }: any) => policyName),
    ).toEqual(['Old.Policy']);
    expect((await iot('describe-thing', '--thing-name', 'old-1')).attributes).toEqual({
      site: 'oslo',
      thingward: `default/${body.id}`,
    });
    expect((await importFleet(server, false)).counts).toEqual({ known: 2, skipped: 1 });
    expect((await reconcile(server)).counts).toEqual({});
  });

  it('decides for its device, and says that no list of ours names its certificate', async () => {
    const fingerprint = createHash('sha256').update(new X509Certificate(device.pem).raw).digest('hex');
    const ask = async (resource: string, principal: object = { fingerprint }) =>
      (await server.owner.post('/v1/authorize', { principal, action: 'publish', resource })).body;
    expect(await ask('topic:dt/old-1/temp')).toMatchObject({ decision: 'allow' });
    expect(await ask('topic:dt/old-1/temp', { certificatePem: device.pem })).toMatchObject({ decision: 'allow' });
    expect(await ask('topic:dt/old-2/temp')).toMatchObject({ decision: 'deny' });
    expect(await ask('topic:elsewhere')).toMatchObject({ decision: 'deny' });
    const { body } = await server.owner.get('/v1/certificates?thing=old-1');
    expect(body.items[0]).toMatchObject({ outsideLists: true, status: 'active', fingerprint });
    expect((await server.owner.get('/v1/issuers')).body.items).toHaveLength(2);
    for (const path of ['/status/ISSUER', '/crl/ISSUER.crl', '/crl/ISSUER.pem'])
      expect([400, 404]).toContain((await server.owner.get(path.replace('ISSUER', body.items[0].issuer))).status);
  });

  it('lets the device come over with its old key: a token, and then a certificate of ours', async () => {
    const key = createPrivateKey(device.key);
    const signed = (more: object) =>
      assertion({
        pem: device.pem,
        key,
        audience: server.url,
        subject: 'default/old-1',
        now: server.now(),
        header: { alg: 'RS256' },
        ...more,
      });
    const form = {
      grant_type: 'client_credentials',
      client_assertion_type: assertionType,
      client_assertion: await signed({}),
    };
    const token = await server.as(undefined).post('/v1/token', form);
    expect(token.status, token.text).toBe(200);
    const self = await server.as(token.body.access_token).get('/v1/self');
    expect([self.status, self.body.certificate.chainPem]).toEqual([200, '']);
    const fresh = newKey();
    const csr = csrPem({ key: fresh });
    const csrSha256 = createHash('sha256')
      .update(Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64'))
      .digest('base64url');
    const renewed = await server
      .as(undefined)
      .post('/v1/renew', { csr, proof: await signed({ typ: 'renew+jwt', claims: { csr_sha256: csrSha256 } }) });
    expect(renewed.status, renewed.text).toBe(201);
    await converge(server);
    const ours = await iot(
      'list-attached-policies',
      '--target',
      (await iot('list-thing-principals', '--thing-name', 'old-1')).principals.find(
        (arn: string) => arn !== device.arn,
      ),
    );
    expect(ours.policies.map(({ policyName }: any) => policyName)).toEqual(['thingward-aws-Old-Policy']);
    expect(thumbprint(renewed.body.certificate.pem)).not.toBe(thumbprint(device.pem));
  });

  it('revokes it here and in AWS, and says where not', async () => {
    const { body } = await server.owner.get('/v1/certificates?thing=old-2');
    const { serialNumber, fingerprint } = body.items[0];
    const revoked = await server.owner.post(`/v1/certificates/${serialNumber}/revoke`, { reason: 'keyCompromise' });
    expect(revoked.body).toMatchObject({ status: 'revoked', outsideLists: true, aws: { status: 'pending' } });
    const denied = await server.owner.post('/v1/authorize', {
      principal: { fingerprint },
      action: 'publish',
      resource: 'topic:dt/old-2/x',
    });
    expect(denied.body.reasons).toEqual(['certificate-revoked']);
    const feed = (await server.owner.get('/v1/revocations?limit=1000')).body.entries;
    expect(feed.find((entry: any) => entry.serialNumber === serialNumber)).toMatchObject({
      type: 'certificate',
      scope: 'external',
    });
    await converge(server);
    const certificates = (await iot('list-certificates')).certificates.map(({ status }: any) => status).sort();
    expect(certificates).toEqual(['ACTIVE', 'ACTIVE', 'REVOKED']);
    expect((await fetch(`${server.url}/crl/bundle.pem`)).status).toBe(200);
  });

  it('gives way to policies that are set here', async () => {
    await server.owner.send('PUT', '/v1/things/old-1/policies', { policies: ['sensor'] });
    await converge(server);
    expect(
      (await iot('list-attached-policies', '--target', device.arn)).policies.map(({ policyName }: any) => policyName),
    ).toEqual(['thingward-sensor']);
  });
});

describe.each(databaseKinds)('an import that meets trouble, on %s', (kind) => {
  let server: TestServer;
  let fake: FakeIot;
  let failing = false;
  beforeAll(async () => {
    Object.assign(process.env, awsEnvironment);
    fake = await startFakeIot({
      pageSize: 2,
      faultFor: (call) => (failing && call === 'ListThingPrincipals' ? 'denied' : undefined),
    });
    server = await startServer(kind, {}, { pause: 'by the clock' });
    await server.owner.send('PUT', '/v1/aws', mirrorInto(fake.url));
    await converge(server);
    for (let n = 0; n < 7; n++) fake.things.set(`t-${n}`, { attributes: {}, type: undefined });
  });
  afterAll(async () => {
    await server.stop();
    await fake.stop();
  });

  it('says what is missing, skips what has no certificate, and goes through every page', async () => {
    failing = true;
    expect(await importFleet(server, true)).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('iot:ListThingPrincipals'),
    });
    failing = false;
    const done = await importFleet(server, false);
    expect(done).toMatchObject({ status: 'done', seen: 7, counts: { skipped: 7 } });
    const compared = await reconcile(server);
    const { body } = await server.owner.post('/v1/accounts', { name: 'acme' });
    for (const path of [`/v1/aws/import/${done.id}`, `/v1/aws/reconcile/${compared.id}`])
      expect((await server.as(body.ownerKey).get(path)).status, path).toBe(404);
  });

  it('never takes a certificate that the registry has, and gives no policies where certificates differ', async () => {
    const acme = server.as((await server.owner.post('/v1/accounts', { name: 'acme-2' })).body.ownerKey);
    const enrollment = await acme.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 5 });
    const { answer } = await provision(server, enrollment.body.token, 'theirs');
    const put = (thing: string, pem: string, policies: string[]) => {
      const id = createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
      fake.things.set(thing, { attributes: {}, type: undefined });
      fake.certificates.set(id, { pem, status: 'ACTIVE', policies: new Set(policies), thing });
    };
    const say = (name: string, resource: string) =>
      fake.policies.set(name, {
        versions: [
          {
            id: '1',
            document: JSON.stringify({ Statement: [{ Effect: 'Allow', Action: 'iot:Publish', Resource: resource }] }),
          },
        ],
        active: '1',
        count: 1,
      });
    say('one', 'arn:aws:iot:eu-central-1:123456789012:topic/one');
    say('two', 'arn:aws:iot:eu-central-1:123456789012:topic/two');
    put('stolen', answer.body.certificate.pem, ['one']);
    for (const policies of [['one'], ['one', 'two']]) {
      const { root } = await createAuthority('elsewhere', 'ec-p256', server.now());
      put('double', encodePem('CERTIFICATE', root.certificateDer), policies);
    }
    const { items } = await importFleet(server, false);
    const of = (name: string) => items.find(({ thing }: any) => thing === name);
    expect(of('stolen')).toMatchObject({
      result: 'skipped',
      warnings: [expect.stringContaining('is already in use in Thingward')],
    });
    expect(of('double')).toMatchObject({
      result: 'imported',
      certificates: 2,
      warnings: [expect.stringContaining('different policies')],
    });
    expect((await server.owner.get('/v1/things/double')).body.policies).toEqual([]);
  });
});
