import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { readCgroup, type Cgroup } from './cgroup.js';

/** What there is of a machine for an edge, and what of it is in use. Memory and disk in octets. */
export type MachineState = {
  capacity: { cores: number; memory: number; disk: number };
  /** `cpu` is the share of the processors that was busy since the last time. */
  load: { cpu: number; memory: number; disk: number };
};

/** Processor time so far, in milliseconds: what was busy, and what could have been. */
export type CpuTime = { busy: number; whole: number };

/** Where figures of a machine come from. */
export type MachineSources = {
  cgroup(): Cgroup | undefined;
  /** Of all processors of the machine. */
  cpuTime(): CpuTime;
  parallelism(): number;
  memory(): { total: number; free: number };
  disk(): Promise<{ total: number; free: number }>;
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number;
};

/** What of a machine is for this process, where the settings say so: processors, and octets of memory. */
export type MachineShare = { cores?: number | undefined; memory?: number | undefined };

/** Reads a machine again and again: that of the control group where it limits this process, else the whole. */
export function createMachine(sources: MachineSources): () => Promise<MachineState> {
  let before: CpuTime | undefined;

  return async () => {
    const group = sources.cgroup();
    const memory = sources.memory();
    const disk = await sources.disk();
    const cores = Math.min(group?.cores ?? Infinity, sources.parallelism());
    const now = group?.cores === undefined ? sources.cpuTime() : groupTime(group, cores, sources.monotonic());
    const cpu = before ? shareOf(before, now) : 0;
    before = now;
    const limit = group?.memory;
    const isLimited = limit !== undefined && limit < memory.total;
    return {
      capacity: { cores, memory: isLimited ? limit : memory.total, disk: disk.total },
      load: { cpu, memory: isLimited ? group!.workingSet : memory.total - memory.free, disk: disk.total - disk.free },
    };
  };
}

/** The machine that this process runs on, and the file system of a folder. */
export const sourcesOf = (folder: string, share: MachineShare = {}): MachineSources => ({
  cgroup: () => (share.cores === undefined && share.memory === undefined ? readCgroup() : ownProcess(share)),
  cpuTime() {
    const times = cpus().map((cpu) => cpu.times);
    const whole = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
    return { whole, busy: whole - times.reduce((sum, { idle }) => sum + idle, 0) };
  },
  parallelism: availableParallelism,
  memory: () => ({ total: totalmem(), free: freemem() }),
  async disk() {
    const { bsize, blocks, bavail } = await statfs(folder);
    return { total: bsize * blocks, free: bsize * bavail };
  },
  monotonic: () => performance.now(),
});

/** This process as if it were a control group. */
function ownProcess({ cores, memory }: MachineShare): Cgroup {
  const { user, system } = process.cpuUsage();
  return { cores, memory, cpuMicroseconds: user + system, workingSet: process.memoryUsage.rss() };
}

function groupTime({ cpuMicroseconds }: Cgroup, cores: number, monotonic: number): CpuTime {
  return { busy: cpuMicroseconds / 1000, whole: monotonic * cores };
}

function shareOf(before: CpuTime, now: CpuTime): number {
  const whole = now.whole - before.whole;
  return whole <= 0 ? 0 : Math.min(1, Math.max(0, (now.busy - before.busy) / whole));
}
