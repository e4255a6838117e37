import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import { databaseKinds, freshDatabase, type TestDatabase } from '../../support/databases/databases.js';
import { startReceiver, until, type Received } from '../../support/monitoring/receiver.js';
import { startProgram, type Program } from '../../support/program.js';
import { describeUnless } from '../../support/programs.js';

const withoutPostgres = databaseKinds.includes('postgresql') ? [] : ['PostgreSQL'];
const ownerKey = `twk_${randomBytes(32).toString('hex')}`;
const segments = ['s-1', 's-2', 's-3', 's-4', 's-5'];

describeUnless(withoutPostgres, 'an instance that is killed', () => {
  let database: TestDatabase;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  const programs: Program[] = [];
  const start = async (): Promise<Program> => {
    const settings = { ...database.settings, THINGWARD_OWNER_KEY: ownerKey, THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' };
    const program = await startProgram(settings);
    programs.push(program);
    return program;
  };

  beforeAll(async () => {
    database = await freshDatabase('postgresql');
    receiver = await startReceiver();
  });
  afterAll(async () => {
    for (const program of programs) await program.kill('SIGKILL');
    await receiver.stop();
    database.remove();
  });

  it('in the middle of a delivery loses nothing: another continues in order, and judges the rules', async () => {
    const first = await start();
    const owner = createClient(first.url, ownerKey);
    const channel = (await owner.post('/v1/alerts/channels', { name: 'a', type: 'webhook', url: receiver.url })).body;
    const rule = { name: 'refused', metric: 'credentials.failed', condition: 'greater_than', threshold: 2 };
    await owner.post('/v1/alerts/rules', { ...rule, severity: 'warning', channels: [channel.id] });
    receiver.set(() => 'hang');
    await owner.post('/v1/webhooks', { url: receiver.url, types: ['audit.*'] });
    for (const name of segments) await owner.post('/v1/segments', { name, cidr: '10.0.0.0/8' });
    // It is being told, and nobody has said yes.
    await until(() => receiver.received.length > 0);
    const second = await start();
    await first.kill('SIGKILL');
    const killedAt = receiver.received.length;
    receiver.set(() => 204);
    for (let n = 0; n < 5; n++) await createClient(second.url, 'twk_wrong-wrong-wrong-wrong').get('/v1/things');
    const isAlert = ({ json }: Received): boolean => json.type === 'alert.firing';
    const targetOf = ({ json }: Received): string => String(json.data.target);
    const after = (): Received[] => receiver.received.slice(killedAt);
    await until(
      () =>
        after().some(isAlert) && segments.every((name) => after().some((got) => targetOf(got) === `segment:${name}`)),
    );
    const order = after()
      .map(targetOf)
      .filter((target) => target.startsWith('segment:'));
    expect(order).toEqual(segments.map((name) => `segment:${name}`));
    // What the first one was telling comes again, with the same id; what is about something else may come before it.
    const idOf = ({ headers }: Received) => headers['webhook-id'];
    await until(() => after().some((got) => idOf(got) === idOf(receiver.received[0]!)));
    expect(after().filter(isAlert)).toHaveLength(1);
    const { items } = (await createClient(second.url, ownerKey).get('/v1/alerts')).body;
    expect(items).toHaveLength(1);
  });
});
