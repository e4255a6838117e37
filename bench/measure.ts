import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

/** One line of the table: `ratio` is against the row that `against` names. */
export type Row = { what: string; perSecond: number; spread: string; ratio?: string; against?: string };

export const rounds = 5;

/** Runs each contender in turn, `rounds` times over, and returns the median rate of each with its spread. */
export async function alternate(
  contenders: Record<string, () => Promise<number>>,
): Promise<Map<string, { median: number; spread: string }>> {
  const rates = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(contenders)) rates.get(name)!.push(await run());
  }
  return new Map([...rates].map(([name, values]) => [name, summarize(values)]));
}

/** Calls per second of wall time on this thread, over at least `ms`. */
export async function rate(call: () => unknown, ms = 700): Promise<number> {
  await call();
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < ms) {
    await call();
    calls++;
  }
  return (calls * 1000) / (performance.now() - start);
}

/** The same for calls that return at once: awaiting them would be measured too. */
export function rateSync(call: () => unknown, ms = 700): Promise<number> {
  call();
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < ms) {
    call();
    calls++;
  }
  return Promise.resolve((calls * 1000) / (performance.now() - start));
}

/** CPU seconds, user and system, that a process has used (proc(5)). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The same of a process with everything that it has started. */
export function cpuSecondsOfTree(pid: number): number {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return children.reduce((sum, child) => sum + cpuSecondsOfTree(child), cpuSeconds(pid));
}

export function summarize(values: number[]): { median: number; spread: string } {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: sorted[Math.floor(sorted.length / 2)]!,
    spread: `${format(sorted[0]!)} to ${format(sorted.at(-1)!)}`,
  };
}

export function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

export function table(rows: Row[]): string {
  const head = '| what | per second (median) | spread | ratio | against |\n|---|---:|---|---:|---|';
  const lines = rows.map(
    ({ what, perSecond, spread, ratio, against }) =>
      `| ${what} | ${format(perSecond)} | ${spread} | ${ratio ?? ''} | ${against ?? ''} |`,
  );
  return [head, ...lines].join('\n');
}

export const ratio = (a: number, b: number): string => (a / b).toFixed(2);
