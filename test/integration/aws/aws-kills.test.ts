import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import {
  databaseKinds,
  freshDatabase,
  type DatabaseKind,
  type TestDatabase,
} from '../../support/databases/databases.js';
import { startFakeIot, type FakeIot, type Fault } from '../../support/aws/fake-iot.js';
import { enroll, provision } from '../../support/fleet.js';
import { inFake, mirrorInto } from '../../support/aws/mirror.js';
import { awsEnvironment } from '../../support/aws/moto.js';
import { startProgram, type Program } from '../../support/program.js';

type Gap = { call: string; fault: 'before' | 'after' };

const provisioning = [
  'CreateThing',
  'RegisterCertificateWithoutCA',
  'AttachPolicy',
  'AttachThingPrincipal',
  'AddThingToThingGroup',
];
const revoking = ['UpdateCertificate', 'DetachPolicy', 'DetachThingPrincipal'];
const isWhole = process.env['AWS_GAPS'] === 'all';
/** After a call had an effect that the server never heard of; and before the first. With `AWS_GAPS=all`, before each. */
const everyGap: Gap[] = [...provisioning, ...revoking].flatMap((call, n) => [
  ...(n === 0 || isWhole ? [{ call, fault: 'before' as const }] : []),
  { call, fault: 'after' as const },
]);
/** The steps are the same on both databases: the embedded one sees a kill before the first, amid and at the end. */
const fewer = ['CreateThing before', 'AttachPolicy after', 'AddThingToThingGroup after', 'DetachPolicy after'];
const gapsOn = (kind: DatabaseKind): Gap[] =>
  kind === 'postgresql' || isWhole
    ? everyGap
    : everyGap.filter(({ call, fault }) => fewer.includes(`${call} ${fault}`));

describe.each(databaseKinds)('killed between the steps of a saga, on %s', (kind) => {
  const gaps = gapsOn(kind);
  let database: TestDatabase;
  let fake: FakeIot;
  let program: Program | undefined;
  let armed: (Gap & { subjects: string[]; met(): void }) | undefined;
  beforeAll(async () => {
    database = await freshDatabase(kind);
    fake = await startFakeIot({
      pageSize: 50,
      faultFor(call, subject): Fault | undefined {
        if (call !== armed?.call || !armed.subjects.includes(subject)) return undefined;
        const { fault, met } = armed;
        armed = undefined;
        met();
        return fault;
      },
    });
  });
  afterAll(async () => {
    await program?.kill('SIGKILL');
    await fake?.stop();
    database?.remove();
  });

  it('goes on where it was, in every gap', async () => {
    const ownerKey = `twk_${randomBytes(24).toString('base64url')}`;
    const start = async () => {
      program = await startProgram({ ...database.settings, ...awsEnvironment, THINGWARD_OWNER_KEY: ownerKey });
      const as = (token: string | undefined) => createClient(program!.url, token);
      return { as, owner: as(ownerKey) };
    };
    let server = await start();
    await server.owner.send('PUT', '/v1/aws', mirrorInto(fake.url));
    const { token } = await enroll(server);
    const devices = new Map<string, string>();
    const make = async (name: string) => {
      const { answer } = await provision(server, token, name);
      devices.set(name, answer.body.certificate.fingerprint as string);
    };
    const nameOf = ({ call, fault }: Gap) => `${call}-${fault}`;
    const isRevoking = ({ call }: Gap) => revoking.includes(call);
    for (const gap of gaps.filter(isRevoking)) await make(nameOf(gap));
    const isSettled = async () => (await server.owner.get('/v1/aws')).body.queue.pending === 0;
    await until(isSettled, 'the first ones');
    for (const gap of gaps) {
      const name = nameOf(gap);
      const met = new Promise<void>((resolve) => {
        armed = { ...gap, subjects: [name, devices.get(name) ?? name], met: resolve };
      });
      // A new certificate is known before its first call is made.
      if (!isRevoking(gap)) await make(name);
      armed?.subjects.push(devices.get(name)!);
      if (isRevoking(gap)) await server.owner.post(`/v1/things/${name}/revoke`);
      await met;
      await program!.kill('SIGKILL');
      server = await start();
    }
    await until(isSettled, 'all of them');
    for (const gap of gaps)
      expect(inFake(fake, nameOf(gap), devices.get(nameOf(gap))!), nameOf(gap)).toEqual(
        isRevoking(gap)
          ? { thing: true, status: 'REVOKED', policies: [], attached: undefined, member: true }
          : { thing: true, status: 'ACTIVE', policies: ['thingward-sensor'], attached: nameOf(gap), member: true },
      );
    expect([fake.things.size, fake.certificates.size]).toEqual([gaps.length, gaps.length]);
    const { body } = await server.owner.post('/v1/aws/reconcile');
    await until(
      async () => (await server.owner.get(`/v1/aws/reconcile/${body.id}`)).body.status === 'done',
      'reconcile',
    );
    expect((await server.owner.get(`/v1/aws/reconcile/${body.id}`)).body.counts).toEqual({});
    console.log(`aws kills, ${kind}: kills=${gaps.length} settled=${devices.size} orphans=0`);
  }, 900_000);
});

async function until(done: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 6000; tries++) {
    if (await done()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not done in time: ${what}`);
}
