import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const sources = resolve('test/support/judges');
/** The libraries of BouncyCastle where Debian puts them. */
export const bouncyCastle = ['bcprov', 'bcutil', 'bcpkix'].map((name) => `/usr/share/java/${name}.jar`);

const uncollected = ['-XX:TieredStopAtLevel=1', '-XX:+UnlockExperimentalVMOptions', '-XX:+UseEpsilonGC', '-Xmx2g'];

/** What a judge says of a device: `good`, `revoked`, or why else it is refused. */
export type Verdict = { judge: string; device: string; said: string };

/** The environment of a program whose clock is wrong by seconds. Its stopwatch is right. */
export function wrongClock(seconds: number): Record<string, string> {
  const folder = readdirSync('/usr/lib').find((name) => name.endsWith('-linux-gnu'))!;
  return {
    LD_PRELOAD: `/usr/lib/${folder}/faketime/libfaketime.so.1`,
    FAKETIME: `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DONT_RESET: '1',
    NO_FAKE_STAT: '1',
  };
}

/** Runs a program, in this process without waiting for it alone; what it prints, whether it fails or not. */
export async function outputOf(program: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const options = { env: { ...process.env, ...env }, maxBuffer: 16 * 1024 * 1024, timeout: 120_000 };
  const { stdout, stderr } = await run(program, args, options).catch((error: unknown) => {
    const { stdout: out = '', stderr: err = '' } = error as { stdout?: string; stderr?: string };
    return { stdout: out, stderr: err };
  });
  return `${stderr}${stdout}`;
}

function verdictsIn(output: string): Verdict[] {
  const lines = output.split('\n').filter((line) => /^[^|]+\|[^|]+\|/.test(line));
  if (lines.length === 0) throw new Error(`a judge said nothing: ${output}`);
  return lines.map((line) => {
    const [judge, device, ...said] = line.split('|') as [string, string, ...string[]];
    return { judge, device, said: said.join('|') };
  });
}

/** Compiles the judges in Java and Go into a folder of their own, and returns what runs them. */
export async function buildJudges() {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-judges-'));
  const classPath = [folder, ...bouncyCastle].join(':');
  const build = async (program: string, args: string[], cwd?: string): Promise<void> => {
    await run(program, args, { cwd, timeout: 300_000 });
  };
  return {
    buildJava: () => build('javac', ['-cp', classPath, '-d', folder, join(sources, 'Judge.java')]),
    buildGo: () => build('go', ['build', '-o', join(folder, 'judge'), '.'], join(sources, 'go')),

    /**
     * Java's and BouncyCastle's validators: `delta` and `ocsp` are `-` where they are not wanted. BouncyCastle 1.72 fails
     * where the collector takes the OCSP answers that it remembers: nothing is collected here.
     */
    java: async (args: string[], env: Record<string, string> = {}): Promise<Verdict[]> =>
      verdictsIn(await outputOf('java', [...uncollected, '-cp', classPath, 'Judge', ...args], env)),

    go: async (args: string[]): Promise<Verdict[]> => verdictsIn(await outputOf(join(folder, 'judge'), args)),

    pyHanko: async (args: string[]): Promise<Verdict[]> =>
      verdictsIn(await outputOf('python3', [join(sources, 'pyhanko_judge.py'), ...args])),

    remove: (): void => rmSync(folder, { recursive: true, force: true }),
  };
}
