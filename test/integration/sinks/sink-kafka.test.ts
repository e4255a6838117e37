import { mkdirSync } from 'node:fs';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKafka, missingForKafka } from '../../support/gateway/kafka.js';
import { createStateDir, drained, firstsOf, numbered, openTestSinks, until } from '../../support/gateway/sink-stage.js';
import { describeUnless } from '../../support/programs.js';

type Received = { id: string; thing: string; number: number; topic: string };

describeUnless(missingForKafka(), 'a sink for Kafka', () => {
  const state = createStateDir();
  let kafka: Awaited<ReturnType<typeof createKafka>>;
  const client = (): Kafka =>
    new Kafka({
      clientId: 'test',
      brokers: [`127.0.0.1:${kafka.port}`],
      logLevel: logLevel.NOTHING,
      retry: { retries: 20, initialRetryTime: 200 },
    });

  beforeAll(async () => {
    mkdirSync(state.at('kafka'), { recursive: true });
    kafka = await createKafka(state.at('kafka'));
    await kafka.start();
    const admin = client().admin();
    await admin.connect();
    const configEntries = [{ name: 'max.message.bytes', value: '100000' }];
    await admin.createTopics({ topics: [{ topic: 'telemetry', numPartitions: 3, configEntries }] });
    await admin.disconnect();
  });
  afterAll(async () => {
    await kafka?.stop();
    state.remove();
  });

  it('has every message in order for each thing, also when it was away', async () => {
    const received: Received[] = [];
    const more = { brokers: [`127.0.0.1:${kafka.port}`], topic: 'telemetry', tls: false };
    const { sinks, heard } = await openTestSinks(state.at('state'), { lake: { kind: 'kafka', ...more } });
    await Promise.all(Array.from({ length: 1000 }, (_, number) => sinks.put('lake', numbered(number))));
    await sinks.put('lake', { ...numbered(1000), payload: Buffer.from(randomText(400_000)) });
    await sinks.put('lake', numbered(1001));
    expect(await drained(sinks, 'lake')).toMatchObject({ delivered: 1001, refused: 1, connected: true });
    expect(heard.refused).toEqual(['m-1000']);

    await kafka.stop();
    for (let number = 1002; number < 1100; number++) await sinks.put('lake', numbered(number));
    await until(() => heard.failed.length > 0, 'that it is away');
    expect(sinks.counts()['lake']).toMatchObject({ kept: 98, connected: false });
    await kafka.start();
    await drained(sinks, 'lake');
    await sinks.close();

    const consumer = client().consumer({ groupId: 'test' });
    await consumer.connect();
    await consumer.subscribe({ topic: 'telemetry', fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message: { key, value, headers } }) => {
        const { number } = JSON.parse(value!.toString()) as { number: number };
        expect(headers!['thing']!.toString()).toBe(key!.toString());
        received.push({
          id: headers!['id']!.toString(),
          thing: key!.toString(),
          number,
          topic: headers!['topic']!.toString(),
        });
      },
    });
    await until(() => new Set(received.map(({ id }) => id)).size >= 1099, 'all messages');
    await consumer.disconnect();
    for (const numbers of firstsOf(received).values())
      expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
    expect(received.find(({ id }) => id === 'm-4')).toMatchObject({
      thing: 'thing-1',
      number: 4,
      topic: 'acme/thing-1/telemetry',
    });
  });
});

/** What gzip makes little of. */
function randomText(length: number): string {
  return Array.from({ length }, () => Math.random().toString(36).slice(2, 3)).join('');
}
