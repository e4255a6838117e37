import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { format, summarize } from './measure.js';

const turns = Number(process.env['DECIDE_TURNS'] ?? 9);

type Measured = { decide: number; floor: number; p99: number; octets: number };

/**
 * One decision with three policies attached and a topic of 40 characters, in fresh processes in turn: of this checkout
 * and of another one that is built, `BEFORE=<folder> npm run bench -- decide`.
 */
export function benchDecide(): string {
  const before = process.env['BEFORE'];
  const folders = { ...(before === undefined ? {} : { before: resolve(before) }), now: process.cwd() };
  const contenders = Object.entries(folders).flatMap(([side, folder]) =>
    [10, 10_000].map((stored) => ({
      name: `${side}, ${stored.toLocaleString('en')} stored`,
      folder,
      stored,
      runs: [] as Measured[],
    })),
  );
  for (let turn = 0; turn < turns; turn++)
    for (const { folder, stored, runs } of contenders) runs.push(measure(folder, stored));
  const lines = contenders.map(({ name, runs }) => {
    const of = (value: (run: Measured) => number) => summarize(runs.map(value));
    const time = of(({ decide }) => decide);
    return `| ${name} | ${format(time.median)} ns | ${time.spread} | ${format(of(({ p99 }) => p99).median)} ns | ${of(({ octets }) => octets).median.toFixed(1)} | ${of(({ decide, floor }) => decide / floor).median.toFixed(2)} |`;
  });
  return [
    '| one decision, 3 policies attached | median | spread | p99, with the clock | octets allocated | times look-up and split |',
    '|---|---:|---|---:|---:|---:|',
    ...lines,
  ].join('\n');
}

function measure(folder: string, stored: number): Measured {
  const args = ['--max-semi-space-size=64', resolve('bench/decide.mjs'), folder, String(stored)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Measured;
}
