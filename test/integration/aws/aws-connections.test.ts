import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startFakeIot, type FakeIot, type Fault } from '../../support/aws/fake-iot.js';
import { converge, inFake, mirrorInto } from '../../support/aws/mirror.js';
import { awsEnvironment } from '../../support/aws/moto.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { enroll, provision, renew, useKey, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('live connections in AWS, on %s', (kind) => {
  let server: TestServer;
  let fake: FakeIot;
  let token: string;
  let fault: Fault | undefined;
  beforeEach(async () => {
    Object.assign(process.env, awsEnvironment);
    fault = undefined;
    // The time of a call is up when the fake has decided to say nothing: one call is made at a time.
    let expire = (): void => {};
    const limit = (): AbortSignal => {
      const controller = new AbortController();
      expire = () => controller.abort(new DOMException('the call took too long', 'TimeoutError'));
      return controller.signal;
    };
    const faultFor = (call: string) => (call === 'DeleteConnection' ? fault : undefined);
    fake = await startFakeIot({ faultFor, onSilence: () => expire() });
    server = await startServer(kind, {}, { pause: 'by the clock', concurrency: 1, limit });
    ({ token } = await enroll(server));
    await server.owner.send('PUT', '/v1/aws', mirrorInto(fake.url));
  });
  afterEach(async () => {
    await server.stop();
    await fake.stop();
  });

  const connect = async (name: string): Promise<Device> => {
    const device = await provision(server, token, name);
    await converge(server);
    fake.connections.add(name);
    return device;
  };
  const fingerprintOf = ({ answer }: Device): string => answer.body.certificate.fingerprint as string;
  const revoke = (name: string) => server.owner.post(`/v1/things/${name}/revoke`, { reason: 'keyCompromise' });
  const callsAfter = (begin: number) => fake.calls.slice(begin).map(({ call }) => call);

  it('end once the certificate is revoked there, without the will, and before anything is tidied', async () => {
    const fingerprint = fingerprintOf(await connect('pump-1'));
    fake.connections.add('pump-10');
    const begin = fake.calls.length;
    expect((await revoke('pump-1')).status).toBeLessThan(300);
    await converge(server);
    expect(callsAfter(begin).slice(0, 2)).toEqual(['UpdateCertificate', 'DeleteConnection']);
    expect(fake.closed).toEqual([{ clientId: 'pump-1', withoutWill: true }]);
    expect([...fake.connections]).toEqual(['pump-10']);
    expect(inFake(fake, 'pump-1', fingerprint)).toMatchObject({ status: 'REVOKED', policies: [], attached: undefined });
    await server.owner.post('/v1/aws/retry');
    await converge(server);
    expect(fake.closed).toHaveLength(1);
  });

  it('end with every suspension, and not with a renewal', async () => {
    const device = await connect('pump-1');
    for (const times of [1, 2]) {
      await server.owner.post('/v1/things/pump-1/suspend');
      await converge(server);
      expect(fake.closed).toHaveLength(times);
      await server.owner.post('/v1/things/pump-1/resume');
      await converge(server);
      fake.connections.add('pump-1');
      server.advance(2);
    }
    const renewed = await renew(server, device);
    expect((await useKey(server, renewed)).status).toBe(200);
    await converge(server);
    expect(inFake(fake, 'pump-1', fingerprintOf(device)).status).toBe('INACTIVE');
    expect(fake.closed).toHaveLength(2);
  });

  it.each<[Fault, string]>([
    ['denied', 'the permission is missing'],
    ['refused', 'nothing answers there'],
    ['html', 'something else answers there'],
    ['before', 'no answer comes'],
  ])('hold nothing up: %s, %s', async (what) => {
    const fingerprint = fingerprintOf(await connect('pump-1'));
    fault = what;
    await revoke('pump-1');
    await converge(server);
    expect(fake.closed).toEqual([]);
    expect(inFake(fake, 'pump-1', fingerprint)).toMatchObject({ status: 'REVOKED', policies: [], attached: undefined });
    const { body } = await server.owner.get('/v1/aws');
    expect(body).toMatchObject({ queue: { pending: 0, failed: 0 } });
    expect(body.trouble ?? null).toBeNull();
  });
});
