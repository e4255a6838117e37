import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import type { ActivePipeline } from '../../../src/log/edge-view.js';
import { createPipelineMeters } from '../../../src/edge/pipelines/meters.js';
import { openPipelines, type Pipelines } from '../../../src/edge/pipelines/open.js';
import { systemTimers } from '../../../src/edge/proxy/sessions.js';
import type { Guest } from '../../../src/edge/gate.js';
import type { Outgoing } from '../../../src/edge/sinks/sinks.js';
import type { Taker } from '../../../src/edge/mqtt/options.js';
import { createTestGate, everything, type Written } from '../edge/gate.js';

/** What was published, as JSON. */
export type Said = {
  id: string;
  pipeline: string;
  version: number;
  occasion?: string;
  records?: Shown[];
  why?: string;
};
type Shown = { time: number; from?: number; values: Record<string, number> };

/** Pipelines over a real journal in a folder, without MQTT: what is published is collected. They can be ended as a crash ends them. */
export function createPipelineRoom(written: readonly Written[] = everything) {
  const stateDir = mkdtempSync(join(tmpdir(), 'pipelines-'));
  let at = Date.UTC(2027, 0, 15, 8);
  const gate = createTestGate(written, () => at);
  const active = new Map<string, ActivePipeline>();
  const sent: Outgoing[] = [];
  const lines: { fields: object; text: string }[] = [];
  const denied: { why: string; resource?: string | undefined }[] = [];
  let putting: (sink: string) => Promise<void> = async () => {};
  let changed = (): void => {};
  let running: Pipelines | undefined;
  let registry = new Registry();
  const say = (fields: object, text: string): void => void lines.push({ fields, text });

  type Settings = { maxBytes?: number; fsync?: boolean; account?: string };
  const open = async ({ account = 'acme', ...settings }: Settings = {}): Promise<Pipelines> => {
    registry = new Registry();
    running = (await openPipelines({
      config: { stateDir, gateway: { pipelines: { maxBytes: 64 * 1024 * 1024, fsync: false, ...settings } } },
      pipelines: { account: () => account, active: () => active, follow: (hears) => void (changed = hears) },
      gate: gate.gate,
      outlets: {
        has: (name) => name === 'upstream',
        put: async (sink, message) => {
          await putting(sink);
          sent.push(message);
        },
      },
      witness: { refused: (why, { resource }) => void denied.push({ why, resource }) },
      meters: createPipelineMeters(registry),
      timers: systemTimers,
      tell: { info: say, warn: say, error: say },
      troubles: { failed: (error) => say({}, error.message), works: () => {} },
    }))!;
    return running;
  };

  /** Who takes messages of a thing now. */
  const takerOf = (thing: string, topic = `acme/${thing}/telemetry`): Taker | undefined => {
    const guest = gate.gate.identify({ token: thing, withoutCertificates: false }) as Guest;
    return running!.takerOf({ judged: {}, guest, topic: () => topic, context: { qos: 1 } });
  };

  return {
    ...gate,
    stateDir,
    sent,
    lines,
    denied,
    open,
    takerOf,
    said: (): Said[] => sent.map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as Said),
    pass: (ms: number): number => (at += ms),
    now: () => at,
    /** What sinks do with what is put into them. */
    whenPut: (does: (sink: string) => Promise<void>): void => void (putting = does),
    async activate(name: string, version: number, document: object): Promise<void> {
      active.set(name, { name, version, document: { name, ...document } });
      changed();
      for (let tries = 0; tries < 200; tries++) await new Promise((resolve) => setImmediate(resolve));
    },
    async deactivate(name: string): Promise<void> {
      active.delete(name);
      changed();
      for (let tries = 0; tries < 200; tries++) await new Promise((resolve) => setImmediate(resolve));
    },
    /** Sends a message and resolves once it is acknowledged. @throws Error where it is not kept */
    async send(thing: string, payload: object | string): Promise<void> {
      const taker = takerOf(thing);
      if (!taker) throw new Error('nobody takes it');
      await taker.take(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)));
    },
    figure: async (name: string): Promise<number> => {
      const found = (await registry.getMetricsAsJSON()).find((each) => each.name === name);
      return (found?.values ?? []).reduce((sum, { value }) => sum + value, 0);
    },
    close: async (): Promise<void> => running?.close(),
  };
}
