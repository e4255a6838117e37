import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Reads a file of the kernel; undefined where there is none. */
export type ReadFile = (path: string) => string | undefined;

/** What a control group may use, and what it has used (cgroups(7), version 2). */
export type Cgroup = {
  /** Processors; undefined without a limit. */
  cores: number | undefined;
  /** Octets; undefined without a limit. */
  memory: number | undefined;
  /** Microseconds of processors since the group began. */
  cpuMicroseconds: number;
  /** Octets in use that cannot be dropped: without the pages of files that nobody touched recently. */
  workingSet: number;
};

const root = '/sys/fs/cgroup';

/** The control group of this process; undefined where there is none, or none that limits anything. */
export function readCgroup(read: ReadFile = readKernel): Cgroup | undefined {
  const [, own] = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '') ?? [];
  if (own === undefined) return undefined;
  // Inside of a container the group is the root of what is shown, whatever it is called outside.
  const folder = [join(root, own), root].find((path) => read(join(path, 'cpu.max')) !== undefined);
  if (folder === undefined) return undefined;
  const numberOf = (file: string, form: RegExp): number | undefined => {
    const [, digits] = form.exec(read(join(folder, file)) ?? '') ?? [];
    return digits === undefined ? undefined : Number(digits);
  };
  const cores = coresOf(read(join(folder, 'cpu.max'))!);
  const memory = numberOf('memory.max', /^(\d+)\s*$/);
  if (cores === undefined && memory === undefined) return undefined;
  const current = numberOf('memory.current', /^(\d+)/) ?? 0;
  const droppable = numberOf('memory.stat', /^inactive_file (\d+)$/m) ?? 0;
  const cpuMicroseconds = numberOf('cpu.stat', /^usage_usec (\d+)$/m) ?? 0;
  return { cores, memory, cpuMicroseconds, workingSet: Math.max(0, current - droppable) };
}

/** `cpu.max` is a quota and its period in microseconds, or the word max. */
function coresOf(text: string): number | undefined {
  const [, quota, period] = /^(\d+) (\d+)\s*$/.exec(text) ?? [];
  return quota === undefined || Number(period) === 0 ? undefined : Number(quota) / Number(period);
}

function readKernel(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
