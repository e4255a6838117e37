import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startMosquitto, type Listener } from '../../support/edge/brokers.js';
import { differencesOf } from '../../support/edge/conformance/compare.js';
import { runCases, type Result } from '../../support/edge/conformance/runner.js';
import { createConformanceStage, type ConformanceStage } from '../../support/edge/conformance/stage.js';
import { cases } from '../../support/edge/conformance/table.js';
import { describeWith } from '../../support/programs.js';

describeWith(['mosquitto', 'openssl'], 'MQTT through an edge and without it, in front of Mosquitto', () => {
  let stage: ConformanceStage;
  let direct: Map<string, Result>;
  const brokers: Listener[] = [];

  beforeAll(async () => {
    stage = await createConformanceStage(cases);
    const broker = await startMosquitto();
    brokers.push(broker);
    direct = await runCases(cases, { port: broker.port, letter: 'd', password: 'x'.repeat(300), settleMs: 0 });
  });
  afterAll(async () => {
    await stage.stop();
    for (const broker of brokers) await broker.stop();
  });

  it('is the same, save for what is stated', async () => {
    const broker = await startMosquitto();
    brokers.push(broker);
    const { target } = await stage.startEdge(broker.port, 'e');
    const through = await runCases(cases, target);
    const found = differencesOf(direct, through);
    writeFileSync(
      '/tmp/econf/diff.json',
      JSON.stringify({ found, through: [...through.values()], direct: [...direct.values()] }, null, 1),
    );
    expect(found).toEqual({});
  });
});
