import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connectDevice } from '../../test/support/edge/live-device.js';
import { publish } from '../../test/support/edge/packets.js';
import { cpuSecondsOfTree, format, summarize } from '../measure.js';
import { signTokens } from '../fleet.js';
import { startContenders, type Contender } from './contenders.js';
import { startGenerator, type Generator, type Run } from './generator.js';
import { forEachOf, openStage, type BenchStage, type Known } from './stage.js';

const many = Number(process.env['EDGE_CONNECTIONS'] ?? 20);
const seconds = Number(process.env['EDGE_SECONDS'] ?? 1);
const rounds = Number(process.env['EDGE_ROUNDS'] ?? 1);
const perSecond = 1000;
const full = { many: 1000, seconds: 3, rounds: 3 };

/** Whether the measurement is large enough to be recorded. */
export const isFullEdge = many >= full.many && seconds >= full.seconds && rounds >= full.rounds;

type Cell = { tls: boolean; connections: number; qos: 0 | 1; payload: number };
type Figures = { perCpuSecond: number | undefined; perSecond: number; p50: number; p99: number };

/** Messages for each CPU second and the time that they take, through ours, mGate and HAProxy, and with nothing in between. */
export async function benchEdge(): Promise<string> {
  execFileSync('taskset', ['-acp', '1', String(process.pid)], { stdio: 'ignore' });
  const stage = await openStage();
  const generator = await startGenerator();
  try {
    const known = await openThings(stage);
    const contenders = await startContenders(stage, generator.port);
    await checkDenials(stage, contenders.at(-1)!, known);
    const lines: string[] = [];
    for (const tls of [false, true])
      for (const connections of [1, many])
        lines.push(...(await measureGroup(stage, generator, { contenders, known, tls, connections })));
    return [head(contenders), ...lines].join('\n');
  } finally {
    generator.stop();
    await stage.stop();
  }
}

async function openThings(stage: BenchStage): Promise<Known[]> {
  const statements = [
    { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
    {
      id: 'topics',
      effect: 'allow',
      actions: ['publish', 'subscribe', 'receive'],
      resources: ['topic:${thing.name}/#'],
    },
  ];
  const made = await stage.owner.post('/v1/policies', { name: 'bench', statements });
  if (made.status >= 300) throw new Error(made.text);
  await stage.enroll({ policy: 'bench' });
  const known: Known[] = Array.from({ length: Math.max(many, 1) });
  await forEachOf(known, 16, async (_, index) => {
    known[index] = await stage.addDevice(`thing-${String(index).padStart(4, '0')}`, false);
  });
  return known;
}

/** Ours is measured only if it refuses what it should: a publisher of MQTT 3.1.1 is closed. */
async function checkDenials(stage: BenchStage, { plain }: Contender, [known]: Known[]): Promise<void> {
  const { name } = known!;
  const password = await stage.tokenOf(known!);
  const device = await connectDevice({ port: plain, clientId: name, version: 4, password });
  device.send(publish(`${name}/a`));
  device.send(publish('another/a'));
  await device.ended;
}

type Group = { contenders: Contender[]; known: Known[]; tls: boolean; connections: number };

/** Everything with the same connections, which stay open; contenders take turns. */
async function measureGroup(
  stage: BenchStage,
  generator: Generator,
  { contenders, known, tls, connections }: Group,
): Promise<string[]> {
  const names = known.slice(0, connections).map(({ name }) => name);
  const tokens = await signTokens(stage.settings, names, new Date(Date.now() + 86_400_000));
  const clients = names.map((clientId) => ({ clientId, password: tokens.get(clientId)! }));
  const ca = readFileSync(stage.at('tls.crt'), 'utf8');
  for (const { name, plain, tls: secure } of contenders) {
    const isTls = tls && secure !== undefined;
    await generator.open({ name, port: isTls ? secure : plain, tls: isTls, clients, ca });
  }
  const lines: string[] = [];
  for (const [qos, payload] of kinds) {
    const cell = { tls, connections, qos, payload };
    lines.push(lineOf(cell, await inTurn(generator, contenders, cell)));
    console.error(lines.at(-1));
  }
  for (const { name } of contenders) await generator.close({ name });
  return lines;
}

const kinds = [
  [0, 100],
  [0, 10_000],
  [1, 100],
  [1, 10_000],
] as const;

/** The medians of contenders that take turns. The first turn of each warms up. */
async function inTurn(generator: Generator, contenders: Contender[], cell: Cell): Promise<Figures[]> {
  const figures: Figures[][] = contenders.map(() => []);
  for (let round = 0; round <= rounds; round++)
    for (const [index, contender] of contenders.entries()) {
      const measured = await measure(generator, contender, cell);
      if (round > 0) figures[index]!.push(measured);
    }
  return figures.map(medians);
}

/** One connection sends in pieces of 64 KB, many connections send message by message. */
function runOf({ connections, qos, payload }: Cell, name: string): Run {
  const small = payload < 1000;
  const burst = connections > 1 ? 1 : small ? 400 : 6;
  const ring = connections > 1 ? 8 : small ? 4000 : 60;
  const most = connections > 1 ? (small ? 4000 : 400) : ring;
  return { name, qos, payload, burst, ring, most, seconds };
}

async function measure(generator: Generator, { name, pid }: Contender, cell: Cell): Promise<Figures> {
  const run = runOf(cell, name);
  const before = pid === undefined ? 0 : cpuSecondsOfTree(pid);
  const { messages, ms } = await generator.flood(run);
  const used = pid === undefined ? undefined : cpuSecondsOfTree(pid) - before;
  const { p50, p99 } = await generator.pace({ ...run, perSecond });
  return {
    perCpuSecond: used === undefined ? undefined : messages / Math.max(used, 0.01),
    perSecond: (messages * 1000) / ms,
    p50,
    p99,
  };
}

function medians(all: Figures[]): Figures {
  const of = (name: keyof Figures): number => summarize(all.map((each) => each[name] ?? 0)).median;
  return { perCpuSecond: of('perCpuSecond'), perSecond: of('perSecond'), p50: of('p50'), p99: of('p99') };
}

function head(contenders: Contender[]): string {
  const proxies = contenders.slice(1).map(({ name }) => name);
  const columns = [
    'messages',
    ...proxies.map((name) => `${name}: messages for a CPU second`),
    'our CPU to HAProxy',
    "mGate's CPU to ours",
    ...contenders.map(({ name }) => `${name}: a second`),
    'ours to mGate',
    ...proxies.map((name) => `${name}: added p50, p99`),
  ];
  return `| ${columns.join(' | ')} |\n|---|${'---:|'.repeat(columns.length - 1)}`;
}

function lineOf({ tls, connections, qos, payload }: Cell, figures: Figures[]): string {
  const [nothing, haproxy, mgate] = figures as [Figures, Figures, Figures];
  const ours = figures.at(-1)!;
  const ratio = (one: number, other: number): string => (one / other).toFixed(2);
  const added = ({ p50, p99 }: Figures): string =>
    `${(p50 - nothing.p50).toFixed(2)}, ${(p99 - nothing.p99).toFixed(2)} ms`;
  const of = connections === 1 ? 'one connection' : `${format(connections)} connections`;
  const cells = [
    `${tls ? 'TLS' : 'plain'}, ${of}, QoS ${qos}, ${format(payload)} octets`,
    ...figures.slice(1).map(({ perCpuSecond }) => format(perCpuSecond!)),
    ratio(haproxy.perCpuSecond!, ours.perCpuSecond!),
    ratio(ours.perCpuSecond!, mgate.perCpuSecond!),
    ...figures.map(({ perSecond: rate }) => format(rate)),
    ratio(ours.perSecond, mgate.perSecond),
    ...figures.slice(1).map(added),
  ];
  return `| ${cells.join(' | ')} |`;
}
