import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram } from '../test/support/program.js';
import { rounds, summarize } from './measure.js';

/** Seconds from the start of the built program to the line that says it listens: on an empty folder, and again. */
export async function benchStart(): Promise<string> {
  const first: number[] = [];
  const again: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const folder = mkdtempSync(join(tmpdir(), 'thingward-bench-'));
    try {
      first.push(await timeStart(folder));
      again.push(await timeStart(folder));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const line = (what: string, values: number[], aim: number) => {
    const { median, spread } = summarize(values);
    return `| ${what} | ${median.toFixed(2)} s | ${spread} | under ${aim} s |`;
  };
  return [
    '| start of the built program, embedded database | median | spread | aim |',
    '|---|---:|---|---|',
    line('first start (empty folder)', first, 6),
    line('reopen', again, 1.5),
  ].join('\n');
}

async function timeStart(folder: string): Promise<number> {
  const start = performance.now();
  const program = await startProgram({ THINGWARD_DATA_DIR: folder });
  const seconds = (performance.now() - start) / 1000;
  await program.kill();
  return seconds;
}
