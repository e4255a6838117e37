import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { freePort } from '../../test/support/ports.js';
import { startTruthRelay } from '../../test/support/edge/truth.js';
import { cpuSecondsOfTree, format, summarize } from '../measure.js';
import { startGenerator, type Generator } from './generator.js';
import { expectOk, forEachOf, freePorts, openStage, pause, until, type BenchStage, type Known } from './stage.js';

const wanted = Number(process.env['IDLE_SESSIONS'] ?? 200);
const edits = Number(process.env['IDLE_EDITS'] ?? 3);
// A session has two sockets, and a process here no more files than this.
const openFiles = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))![1]);
const sessions = Math.min(wanted, Math.floor((openFiles - 400) / 2));

/** Whether the measurement is large enough to be recorded. */
export const isFullIdle = wanted >= 10_000 && edits >= 5;

type Loop = { activeMs: number; cpuMs: number; longestMs: number; rss: number; heapUsed: number };

/** Many idle TLS sessions at one edge: how fast they come in, what they take, and how long all of them are judged again. */
export async function benchIdle(): Promise<string> {
  execFileSync('taskset', ['-acp', '1', String(process.pid)], { stdio: 'ignore' });
  const stage = await openStage();
  const [broker, devices] = [await startGenerator(), await startGenerator()];
  const relay = await startTruthRelay(stage.port);
  try {
    const known = await openThings(stage);
    return await measure(stage, { relay, broker, devices }, known);
  } finally {
    broker.stop();
    devices.stop();
    await stage.stop();
    await relay.stop();
  }
}

const policyOf = (more: object[]) => ({
  name: 'idle',
  statements: [
    { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
    {
      id: 'topics',
      effect: 'allow',
      actions: ['publish', 'subscribe', 'receive'],
      resources: ['topic:${thing.name}/#'],
    },
    ...more,
  ],
});

async function openThings(stage: BenchStage): Promise<Known[]> {
  expectOk(await stage.owner.post('/v1/policies', policyOf([])));
  await stage.enroll({ policy: 'idle' });
  const known: Known[] = Array.from({ length: sessions });
  await forEachOf(known, 32, async (_, index) => {
    known[index] = await stage.addDevice(`thing-${index}`, false);
  });
  return known;
}

type Around = { relay: Awaited<ReturnType<typeof startTruthRelay>>; broker: Generator; devices: Generator };

async function measure(stage: BenchStage, { relay, broker, devices }: Around, known: Known[]): Promise<string> {
  relay.ask(false);
  const [port] = (await freePorts(1)) as [number];
  const loopPort = await freePort();
  const { pid, child } = await stage.startEdge({
    name: 'idle',
    server: `http://127.0.0.1:${relay.port}`,
    upstream: `mqtt://127.0.0.1:${broker.port}`,
    under: ['env', `LOOP_PORT=${loopPort}`, 'taskset', '-c', '0'],
    nodeArgs: [
      '--import',
      './bench/edge/loop-monitor.mjs',
      ...(process.env['EDGE_NODE_ARGS'] ?? '').split(' ').filter(Boolean),
    ],
    listeners: [{ protocol: 'mqtts', host: '127.0.0.1', port, certFile: 'tls.crt', keyFile: 'tls.key' }],
  });
  const loop = async (): Promise<Loop> => (await (await fetch(`http://127.0.0.1:${loopPort}/read`)).json()) as Loop;
  await pause(2000);
  const before = await loop();
  const cpu = cpuSecondsOfTree(pid);
  const begun = performance.now();
  await devices.open({
    name: 'idle',
    port,
    tls: true,
    ca: readFileSync(stage.at('tls.crt'), 'utf8'),
    clients: known.map(({ name, pem, keyPem }) => ({ clientId: name, password: '', cert: pem, key: keyPem })),
    subscribes: true,
  });
  const seconds = (performance.now() - begun) / 1000;
  const used = cpuSecondsOfTree(pid) - cpu;
  // What handshakes left behind is collected, and the sessions are reported.
  await pause(Math.min(20_000, 2000 + sessions));
  const after = await loop();
  const judged = await editAll(stage, relay, loop);
  await pause(500);
  if (child.exitCode !== null) throw new Error('the edge ended');
  return [
    `${format(sessions)} idle sessions over TLS with a client certificate and a subscription each. A process of this machine may have ${format(openFiles)} open files; a session has two.`,
    '',
    '| what | measured |',
    '|---|---:|',
    `| sessions that came in, a second | ${format(sessions / seconds)} |`,
    `| the same for a CPU second of the edge | ${format(sessions / used)} |`,
    `| memory of a session (RSS) | ${format((after.rss - before.rss) / sessions / 1024)} KiB |`,
    `| memory of a session (heap) | ${format((after.heapUsed - before.heapUsed) / sessions / 1024)} KiB |`,
    `| all judged again after a policy edit: the loop was busy, median of ${edits} | ${judged.active} ms |`,
    `| the same in CPU time of the process | ${judged.cpu} ms |`,
    `| the longest that anything waited for the loop meanwhile, the worst of ${edits} | ${judged.longest} ms |`,
    `| from the acknowledgement until the edge says \`enforced\`, median | ${judged.enforced} ms |`,
  ].join('\n');
}

async function editAll(
  { owner }: BenchStage,
  relay: Around['relay'],
  loop: () => Promise<Loop>,
): Promise<{ active: string; cpu: string; longest: string; enforced: string }> {
  const [active, cpu, longest, enforced]: number[][] = [[], [], [], []];
  for (let edit = 0; edit < edits; edit++) {
    const more = { id: `more-${edit}`, effect: 'allow', actions: ['publish'], resources: [`topic:more/${edit}`] };
    const { version } = expectOk(await owner.post('/v1/policies/idle/versions', policyOf([more]))).body;
    await pause(1500);
    relay.forget();
    await loop();
    const { cursor } = expectOk(await owner.post('/v1/policies/idle/activate', { version })).body as { cursor: string };
    const acknowledged = performance.now();
    const position = Number(cursor.split(':')[1]);
    await until('the edge enforces it', () => relay.claims().some((claim) => claim.position >= position), 2);
    const { activeMs, cpuMs, longestMs } = await loop();
    active!.push(activeMs);
    cpu!.push(cpuMs);
    longest!.push(longestMs);
    enforced!.push(Math.max(0, relay.claims().find((claim) => claim.position >= position)!.at - acknowledged));
  }
  return {
    cpu: summarize(cpu!).median.toFixed(1),
    active: summarize(active!).median.toFixed(1),
    longest: Math.max(...longest!).toFixed(1),
    enforced: summarize(enforced!).median.toFixed(1),
  };
}
