import type { FakeIot } from './fake-iot.js';
import { awsAccount, region } from './moto.js';
import type { TestServer } from '../server.js';

/** The settings of a mirror into an emulator. */
export const mirrorInto = (endpoint: string, settings: object = {}) => ({
  mode: 'register-without-ca',
  awsAccount,
  region,
  endpoint,
  ...settings,
});

/** Rates that nobody waits for. */
export const fast = (calls: string[]) => ({ rates: Object.fromEntries(calls.map((call) => [call, 10_000])) });

/** Runs the mirror, moving the clock to whatever is due next, until nothing is left to do. Returns how many rounds it took. */
export async function converge(server: TestServer, rounds = 2000): Promise<number> {
  const { chores, aws } = server.services;
  for (let round = 1; round <= rounds; round++) {
    await chores.run('mirror-into-aws');
    await aws.mirror.settled();
    const due = await nextDue(server);
    if (due === undefined) return round;
    server.advance(Math.max(0, (due.getTime() - server.now().getTime()) / 1000) + 0.001);
  }
  throw new Error(`still not done: ${JSON.stringify((await server.owner.get('/v1/aws')).body)}`);
}

async function nextDue({ database }: TestServer): Promise<Date | undefined> {
  const [row] = await database.client.$queryRaw<{ due: Date | null }[]>`
    SELECT min(GREATEST(s.due_at, COALESCE(m.blocked_until, s.due_at))) AS due FROM aws_sagas s JOIN aws_mirrors m USING (account_name)
    WHERE s.status IN ('pending', 'drifted') OR (s.status = 'failed' AND s.due_at IS NOT NULL)`;
  return row?.due ?? undefined;
}

/** Compares AWS with the registry, to the end. */
export async function reconcile(server: TestServer, dryRun = false) {
  const { body } = await server.owner.post('/v1/aws/reconcile', { dryRun });
  for (;;) {
    await server.services.chores.run('compare-with-aws');
    await server.services.aws.reconciler.settled();
    const answer = await server.owner.get(`/v1/aws/reconcile/${body.id}`);
    if (answer.body.status !== 'running') return answer.body;
  }
}

/** What a fake has of a thing, in a few words. */
export function inFake(fake: FakeIot, name: string, fingerprint: string, group = 'thingward') {
  fake.settleDetached(true);
  const certificate = fake.certificates.get(fingerprint);
  return {
    thing: fake.things.has(name),
    status: certificate?.status,
    policies: [...(certificate?.policies ?? [])].sort(),
    attached: certificate?.thing,
    member: fake.groups.get(group)?.has(name) ?? false,
  };
}
