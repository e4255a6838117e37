import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuSeconds } from './measure.js';

export type Load = { perSecond: number; perCpuSecond: number; p99Ms: number; errors: number };

const connections = 32;

/** Sends bodies in turn from one thread of wrk on the second core for some seconds, and reads what it and the server's CPU clock say. */
export async function load(
  url: string,
  pid: number,
  bodies: string[],
  seconds: number,
  headers: Record<string, string>,
  contains = '',
): Promise<Load> {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-wrk-'));
  writeFileSync(join(folder, 'bodies'), bodies.join('\n'));
  const set = Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`);
  writeFileSync(
    join(folder, 'load.lua'),
    `${set.join('\n')}
local requests = {}
init = function() for line in io.lines("${folder}/bodies") do requests[#requests + 1] = wrk.format("POST", nil, nil, line) end end
local n = 0
request = function() n = n % #requests + 1; return requests[n] end
local wrong = 0
response = function(status, headers, body) if status ~= 200 or not body:find('${contains}', 1, true) then wrong = wrong + 1 end end
done = function(summary, latency) io.write(string.format("p99us=%d\\n", latency:percentile(99))) end
`.replace(/^local wrong[\s\S]*?wrong \+ 1 end end\n/m, contains === '' ? '' : '$&'),
  );
  const cpu = cpuSeconds(pid);
  const args = ['-c', '1', 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', join(folder, 'load.lua'), url];
  const output = await run('taskset', args);
  const used = cpuSeconds(pid) - cpu;
  const [, total] = /(\d+) requests in/.exec(output) ?? [];
  const [, perSecond] = /Requests\/sec:\s+([\d.]+)/.exec(output) ?? [];
  const [, p99] = /p99us=(\d+)/.exec(output) ?? [];
  const [, errors] = /Non-2xx or 3xx responses: (\d+)/.exec(output) ?? [];
  if (!total || !perSecond || !p99) throw new Error(`wrk said: ${output}`);
  return {
    perSecond: Number(perSecond),
    perCpuSecond: Number(total) / used,
    p99Ms: Number(p99) / 1000,
    errors: Number(errors ?? 0),
  };
}

function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('exit', () => resolve(output));
  });
}
