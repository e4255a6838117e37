import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMosquitto, type Listener } from '../../support/edge/brokers.js';
import { differencesOf } from '../../support/conformance/compare.js';
import { linesOf, readDifferences } from '../../support/conformance/differences.js';
import { missingForHiveMq, startHiveMq } from '../../support/conformance/hivemq.js';
import { startNoise } from '../../support/conformance/noise.js';
import { runCases, type Result, type Target } from '../../support/conformance/runner.js';
import { createConformanceStage, exceptSecrets, type ConformanceStage } from '../../support/conformance/stage.js';
import { cases, statements } from '../../support/conformance/table.js';
import type { Case } from '../../support/conformance/steps.js';
import { describeUnless, describeWith } from '../../support/programs.js';

/** A shared subscription must lie inside of what may be received as a whole, so it has no place beside a denial. */
const isShared = ({ steps }: Case): boolean =>
  steps.some((step) => step.kind === 'send' && step.bytes.includes('$share/'));

/** What a case waits for and does not get through the edge. Everything else that the standard asks for is there. */
const unmet = [
  // Mosquitto answers it with PUBREC 0x97, and goes on.
  '5.0 MQTT-3.3.4-7: one more QoS 2 message than the server takes',
  // Mosquitto publishes it after 0x04 alone.
  '5.0 MQTT-3.1.2-8: DISCONNECT with an error publishes the will',
  // The limit of the edge.
  '3.1.1 MQTT-3.3.2-1: a message of more than 256 KiB',
  '5.0 MQTT-3.2.2-15: a message of more than 256 KiB',
];

describeWith(['mosquitto', 'openssl'], 'MQTT through an edge and without it, in front of Mosquitto', () => {
  let stage: ConformanceStage;
  let direct: Map<string, Result>;
  const brokers: Listener[] = [];

  const startBroker = async (): Promise<Listener> => {
    const broker = await startMosquitto();
    brokers.push(broker);
    return broker;
  };

  beforeAll(async () => {
    stage = await createConformanceStage(cases);
    const { port } = await startBroker();
    // Mosquitto alone leaves many connections open that a case waits to see ended, so many of them wait side by side.
    direct = await runCases(cases, { port, letter: 'd', password: 'x'.repeat(300), settleMs: 0 }, 96);
  });
  afterAll(async () => {
    await stage.stop();
    for (const broker of brokers) await broker.stop();
  });

  const keep = (isKept: (each: Case) => boolean): Map<string, Result> =>
    new Map(cases.filter(isKept).map(({ name }) => [name, direct.get(name)!]));

  it('is about each normative statement that a server can be asked about', () => {
    expect(cases.length).toBeGreaterThan(600);
    expect(statements.size).toBeGreaterThan(280);
  });

  it('is the same, save for what is stated', async () => {
    const { port } = await startBroker();
    const { target } = await stage.startEdge(port, 'e');
    const through = await runCases(cases, target);
    expect(differencesOf(direct, through)).toEqual(linesOf(readDifferences('mosquitto.txt')));
    const isUnmet = ({ lines }: Result): boolean => lines.some((line) => line.startsWith('unmet'));
    expect([...through.values()].filter(isUnmet).map(({ name }) => name)).toEqual(expect.arrayContaining(unmet));
    expect([...through.values()].filter(isUnmet)).toHaveLength(unmet.length);
  });

  it.each([
    ['5.0', 'refuse', ['PUBACK 60001 0x87', 'PUBREC 60002 0x87', 'SUBACK 60003 [0x87]']],
    ['3.1', 'drop', ['PUBACK 60001 0x00', 'PUBCOMP 60002 0x00', 'PUBREC 60002 0x00', 'SUBACK 60003 [0x80]']],
  ])('with MQTT %s is the same amid denials, and with deniedPublish: %s', async (edition, deniedPublish, answers) => {
    const { port } = await startBroker();
    const letter = deniedPublish[0]!;
    const { target } = await stage.startEdge(port, letter, { deniedPublish }, exceptSecrets);
    const noise = await startNoise(port, edition === '5.0' ? [5] : [3, 4]);
    const isKept = (each: Case): boolean => each.edition.startsWith(edition) && !isShared(each);
    const through = await runCases(cases.filter(isKept), { ...target, noise } satisfies Target);
    await noise.stop();
    const stated = linesOf(readDifferences('mosquitto.txt'));
    const expected = Object.fromEntries(Object.entries(stated).filter(([name]) => keep(isKept).has(name)));
    expect(differencesOf(keep(isKept), through)).toEqual(expected);
    expect(noise.answers()).toEqual(answers);
    expect(noise.heard()).toEqual([]);
  });
});

/** Whether HiveMQ takes these for the message before depends on how soon they come. */
const decidedByTime = ['after PUBACK the same identifier is a new message, with DUP too'];

const compared = cases.filter(({ name }) => !decidedByTime.some((says) => name.endsWith(says)));

/** What differs through an edge from the same broker alone. */
async function compare(start: () => Promise<Listener>, letters: readonly [string, string], settleMs: number) {
  const stage = await createConformanceStage(cases);
  const broker = await start();
  try {
    const { target } = await stage.startEdge(broker.port, letters[1]);
    const direct = await runCases(compared, { ...target, port: broker.port, letter: letters[0], settleMs });
    const through = await runCases(compared, { ...target, settleMs });
    return differencesOf(direct, through);
  } finally {
    await stage.stop();
    await broker.stop();
  }
}

/** Mosquitto with limits that the edge has to pass on. */
const narrow = [
  'max_inflight_messages 5',
  'max_keepalive 30',
  'max_packet_size 150000',
  'max_qos 1',
  'max_topic_alias 3',
  'retain_available false',
];

if (process.env['CONFORMANCE'] === 'all') {
  describeUnless(missingForHiveMq(), 'MQTT through an edge and without it, in front of HiveMQ', () => {
    it('is the same, save for what is stated', async () => {
      expect(await compare(startHiveMq, ['h', 'i'], 400)).toEqual(linesOf(readDifferences('hivemq.txt')));
    });
  });

  describe('MQTT through an edge and without it, in front of a Mosquitto with narrow limits', () => {
    it('is the same, save for what is stated', async () => {
      const found = await compare(() => startMosquitto(narrow), ['m', 'n'], 0);
      expect(found).toEqual(linesOf(readDifferences('mosquitto-narrow.txt')));
    });
  });
}
