import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { startFakeIot } from '../../support/aws/fake-iot.js';
import { enroll, provision } from '../../support/fleet.js';
import { inFake, mirrorInto } from '../../support/aws/mirror.js';
import { awsEnvironment } from '../../support/aws/moto.js';
import { startServer } from '../../support/server.js';

const things = 60;
const perSecond = 40;

it.skipIf(!databaseKinds.includes('postgresql'))('two instances share the work, and the rates', async () => {
  Object.assign(process.env, awsEnvironment);
  const fake = await startFakeIot({ pageSize: 100 });
  const { settings } = await freshDatabase('postgresql');
  const common = { ...settings, THINGWARD_OWNER_KEY: `twk_${randomBytes(24).toString('base64url')}` };
  const one = await startServer('postgresql', { ...common, THINGWARD_PUBLIC_URL: 'http://127.0.0.1:1' });
  const two = await startServer('postgresql', { ...common, THINGWARD_PUBLIC_URL: 'http://127.0.0.1:1' });
  try {
    const rates = Object.fromEntries(
      ['CreateThing', 'RegisterCertificateWithoutCA', 'AttachPolicy'].map((call) => [call, perSecond]),
    );
    const { token } = await enroll(one);
    const devices = [];
    for (let n = 0; n < things; n++) devices.push(await provision(one, token, `t-${n}`));
    await one.owner.send('PUT', '/v1/aws', mirrorInto(fake.url, { rates }));
    const instances = [one.services.aws.mirror, two.services.aws.mirror];
    while ((await one.owner.get('/v1/aws')).body.queue.pending > 0) {
      await Promise.all(instances.map((mirror) => mirror.tick()));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const { name, answer } of devices)
      expect(inFake(fake, name, answer.body.certificate.fingerprint)).toMatchObject({
        status: 'ACTIVE',
        attached: name,
      });
    // Nobody does what the other does.
    const created = fake.calls.filter(({ call }) => call === 'CreateThing');
    expect([created.length, new Set(created.map(({ subject }) => subject)).size]).toEqual([things, things]);
    for (const { counts } of instances) expect(counts.done).toBeGreaterThan(things / 10);
    const [first, last] = [created[0]!.at, created.at(-1)!.at];
    expect((last - first) / 1000).toBeGreaterThan((things - 1) / perSecond - 0.3);
  } finally {
    await two.stop();
    await one.stop();
    await fake.stop();
  }
});
