import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { differencesOf } from '../../support/edge/conformance/compare.js';
import { runCases } from '../../support/edge/conformance/runner.js';
import { createConformanceStage } from '../../support/edge/conformance/stage.js';
import { startHiveMq } from '../../support/edge/conformance/hivemq.js';
import { cases } from '../../support/edge/conformance/table.js';

describe('hive', () => {
  it('is the same, save for what is stated', async () => {
    const stage = await createConformanceStage(cases);
    const broker = await startHiveMq();
    const { target } = await stage.startEdge(broker.port, 'i');
    const settleMs = 400;
    const direct = await runCases(cases, { ...target, port: broker.port, letter: 'h', settleMs });
    const through = await runCases(cases, { ...target, settleMs });
    const found = differencesOf(direct, through);
    writeFileSync('/tmp/econf/hive.json', JSON.stringify({ found, through: [...through.values()], direct: [...direct.values()] }, null, 1));
    await stage.stop();
    await broker.stop();
    expect(Object.keys(found).length).toEqual(0);
  });
});
