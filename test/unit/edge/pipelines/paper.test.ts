import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createPipelineMeters } from '../../../../src/edge/pipelines/meters.js';
import type { Guest } from '../../../../src/edge/gate.js';
import type { Statement } from '../../../../src/policy/document.js';
import { createTestGate } from '../../../support/edge/gate.js';

const paper = readFileSync('docs/gateway.md', 'utf8');

it('docs/gateway.md names every figure of pipelines, with its labels', async () => {
  const registry = new Registry();
  const nothing = () => 0;
  const meters = createPipelineMeters(registry);
  meters.watch({ active: nothing, things: nothing, evicted: nothing, journal: nothing, queued: nothing });
  const [, table] = /<!-- test: pipelines figures -->\n\n([^]*?)\n\n/.exec(paper)!;
  const described = table!
    .split('\n')
    .slice(2)
    .map((row) => [...row.matchAll(/`([a-z_]+)`/g)].map(([, word]) => word).join(' '));
  const labels = Object.fromEntries(
    Object.values(meters).flatMap((each) => {
      const { name, labelNames } = each as unknown as { name?: string; labelNames?: string[] };
      return name && labelNames ? [[name, labelNames]] : [];
    }),
  );
  const figures = registry.getMetricsAsArray().map(({ name }) => [name, ...(labels[name] ?? [])].join(' '));
  expect(described.sort()).toEqual(figures.sort());
});

it('its policy lets a thing publish what pipelines make of its messages, and nothing of another', () => {
  const [, text] = /<!-- test: pipelines policy -->\n\n```json\n([^]*?)```/.exec(paper)!;
  const { gate } = createTestGate((JSON.parse(text!) as { statements: Statement[] }).statements);
  const guest = gate.identify({ token: 'pump', withoutCertificates: false }) as Guest;
  const may = (topic: string) => gate.judge(guest, { action: 'publish', resource: `topic:${topic}` }).allowed;
  for (const end of ['telemetry/room', 'telemetry/pipelines/sensor', 'telemetry/dead-letters/sensor']) {
    expect(may(`acme/pump/${end}`)).toBe(true);
    expect(may(`acme/other/${end}`)).toBe(false);
  }
});
