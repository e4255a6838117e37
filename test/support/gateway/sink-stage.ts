import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { openSinks, type SinkEvents } from '../../../src/edge/sinks/open.js';
import type { Outgoing, SinkCounts, Sinks } from '../../../src/edge/sinks/sinks.js';
import { sinks as sinksShape } from '../../../src/edge/settings/sink-shapes.js';

/** Settings of sinks, as `edge.yaml` has them. */
export type GivenSinks = z.input<typeof sinksShape>;

/** What a test heard of its sinks. */
export type Heard = { failed: string[]; refused: string[]; dropped: number; forgotten: string[] };

/** Opens sinks as the edge of a folder does. */
export async function openTestSinks(stateDir: string, given: GivenSinks): Promise<{ sinks: Sinks; heard: Heard }> {
  const heard: Heard = { failed: [], refused: [], dropped: 0, forgotten: [] };
  const events: SinkEvents = {
    failed: (_sink, error) => void heard.failed.push(error.message),
    works: () => {},
    dropped: (_sink, messages) => void (heard.dropped += messages),
    refused: (_sink, { id }) => void heard.refused.push(id),
    forgotten: (sinks) => void heard.forgotten.push(...sinks),
  };
  const config = { name: 'berlin', stateDir, upstream: {}, gateway: { sinks: sinksShape.parse(given) } };
  const sinks = await openSinks({ config, events, now: Date.now });
  return { sinks, heard };
}

/** A folder for a test, and what removes it. */
export function createStateDir() {
  const root = mkdtempSync(join(tmpdir(), 'sinks-'));
  return {
    at: (name: string): string => join(root, name),
    remove: (): void => rmSync(root, { recursive: true, force: true }),
  };
}

/** A message whose payload is its number. */
export function numbered(
  number: number,
  thing = `thing-${number % 3}`,
  priority: Outgoing['priority'] = 'normal',
): Outgoing {
  return {
    id: `m-${number}`,
    account: 'acme',
    thing,
    topic: `acme/${thing}/telemetry`,
    payload: Buffer.from(JSON.stringify({ number })),
    priority,
    at: Date.now(),
  };
}

/** Waits until it is so. @throws Error when that takes too long */
export async function until(isSo: () => boolean, what: string, ms = 60_000): Promise<void> {
  for (const end = performance.now() + ms; !isSo();) {
    if (performance.now() > end) throw new Error(`it never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until a sink has everything. */
export async function drained(sinks: Sinks, name: string): Promise<SinkCounts> {
  await until(() => sinks.counts()[name]!.kept === 0, `the queue of ${name} is empty`);
  return sinks.counts()[name]!;
}

/** What a receiver got of each thing in order, each message once, by ids. */
export function firstsOf(received: readonly { id: string; thing: string; number: number }[]): Map<string, number[]> {
  const seen = new Set<string>();
  const firsts = new Map<string, number[]>();
  for (const { id, thing, number } of received) {
    if (seen.has(id)) continue;
    seen.add(id);
    firsts.set(thing, [...(firsts.get(thing) ?? []), number]);
  }
  return firsts;
}
