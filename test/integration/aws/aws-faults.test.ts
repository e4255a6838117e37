import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { awsCalls, defaultRates, type AwsCall } from '../../../src/aws/client/calls.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { faults, startFakeIot, type FakeIot, type Fault } from '../../support/aws/fake-iot.js';
import { enroll, provision } from '../../support/fleet.js';
import { converge, inFake, mirrorInto, reconcile } from '../../support/aws/mirror.js';
import { awsEnvironment } from '../../support/aws/moto.js';
import { startServer, type TestServer } from '../../support/server.js';

const steps: AwsCall[] = [
  'CreateThing',
  'RegisterCertificateWithoutCA',
  'AttachPolicy',
  'AttachThingPrincipal',
  'AddThingToThingGroup',
];

/** All 2,070 of them with `npm run aws-faults`; a part, always the single ones, otherwise. */
const all = process.env['AWS_SCHEDULES'] === 'all';

type Trouble = { call: AwsCall; fault: Fault };
const singles: Trouble[] = steps.flatMap((call) => faults.map((fault) => ({ call, fault })));
/** Every fault alone, and every ordered pair of them. */
const schedules: Trouble[][] = [
  ...singles.map((one) => [one]),
  ...singles.flatMap((one) => singles.map((two) => [one, two])),
];

/** What is still to go wrong, by thing. Reads that are too early are so twice. */
function createTroubles() {
  const left = new Map<string, Trouble[]>();
  return {
    plan: (subject: string, schedule: Trouble[]) =>
      left.set(
        subject,
        schedule.flatMap((each) => (each.fault === 'not-found' ? [each, each] : [each])),
      ),
    alias: (from: string, to: string) => void left.set(to, left.get(from)!),
    faultFor(call: string, subject: string): Fault | undefined {
      const waiting = left.get(subject);
      const index = waiting?.findIndex((each) => each.call === call) ?? -1;
      return index < 0 ? undefined : waiting!.splice(index, 1)[0]!.fault;
    },
    left: (subject: string) => left.get(subject)!.length,
  };
}

describe.each(databaseKinds)('every fault of AWS, on %s', (kind) => {
  let server: TestServer;
  let fake: FakeIot;
  const troubles = createTroubles();
  beforeAll(async () => {
    Object.assign(process.env, awsEnvironment);
    // The time of a call is up when the fake has decided to say nothing: one call is made at a time.
    let expire = (): void => {};
    const limit = (): AbortSignal => {
      const controller = new AbortController();
      expire = () => controller.abort(new DOMException('the call took too long', 'TimeoutError'));
      return controller.signal;
    };
    server = await startServer(kind, {}, { concurrency: 1, limit, pause: 'by the clock' });
    fake = await startFakeIot({
      faultFor: troubles.faultFor,
      now: () => server.now().getTime(),
      onSilence: () => expire(),
      pageSize: 200,
    });
    await server.owner.send('PUT', '/v1/aws', mirrorInto(fake.url));
    await converge(server);
  });
  afterAll(async () => {
    await server?.stop();
    await fake?.stop();
  });

  it('converges with nobody helping, leaves no orphan, and never goes too fast', async () => {
    const chosen = schedules.filter((_, n) => n < singles.length || all || n % (kind === 'postgresql' ? 8 : 16) === 0);
    const { token } = await enroll(server, { maxUses: 3000 });
    const names: string[] = [];
    const fingerprints = new Map<string, string>();
    for (const [n, schedule] of chosen.entries()) {
      const name = `s-${n}`;
      const { answer } = await provision(server, token, name);
      names.push(name);
      fingerprints.set(name, answer.body.certificate.fingerprint as string);
      troubles.plan(name, schedule);
      troubles.alias(name, fingerprints.get(name)!);
    }
    const before = fake.calls.length;
    await converge(server, 20_000);
    const silent = names.filter((name, n) => troubles.left(name) > 0 && !isOnce(chosen[n]!));
    expect(silent, 'every fault came').toEqual([]);
    for (const name of names)
      expect(inFake(fake, name, fingerprints.get(name)!), JSON.stringify(chosen[Number(name.slice(2))])).toEqual({
        thing: true,
        status: 'ACTIVE',
        policies: ['thingward-sensor'],
        attached: name,
        member: true,
      });
    expect([fake.things.size, fake.certificates.size]).toEqual([names.length, names.length]);
    const queue = (await server.owner.get('/v1/aws')).body.queue;
    expect(queue).toMatchObject({ pending: 0, failed: 0 });
    expect(tooMany(fake.calls)).toEqual([]);
    const calls = fake.calls.length - before;
    const found = await reconcile(server);
    expect(found).toMatchObject({ status: 'done', counts: {} });
    console.log(
      `aws faults, ${kind}: schedules=${chosen.length} converged=${names.length} calls=${calls} orphans=0 tooFast=0`,
    );
  }, 900_000);
});

/**
 * The second fault has no call to meet when the first lets the call succeed; a policy that was attached, although
 * nobody heard of it, is found attached.
 */
function isOnce([one, two]: Trouble[]): boolean {
  const succeeds = ['slow', 'exists', ...(one!.call === 'AttachPolicy' ? ['after'] : [])];
  return one!.call === two?.call && succeeds.includes(one!.fault);
}

/**
 * Calls beyond what a second, or ten, may hold. Turns are given out evenly; one more may arrive at either end of a
 * window, because a call takes a moment to get there.
 */
function tooMany(calls: FakeIot['calls']): object[] {
  return awsCalls.flatMap((call) => {
    const times = calls.filter((each) => each.call === call).map(({ at }) => at);
    return [1, 10].flatMap((seconds) => {
      const most = seconds * defaultRates[call] + 2;
      const isOver = (at: number, n: number) => n >= most && at - times[n - most]! < seconds * 1000;
      return times.filter(isOver).map((at) => ({ call, seconds, at }));
    });
  });
}
