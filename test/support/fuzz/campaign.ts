import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRandom } from '../policy-cases.js';
import type { TestServer } from '../server.js';
import { operationsOf, type Operation } from './operations.js';
import { bentRequest, rightRequest, type Request } from './requests.js';
import { createSender, type Outcome } from './sender.js';
import { createWorld } from './world.js';

type Report = {
  requests: number;
  byClass: Record<string, number>;
  limited: number;
  operations: Operation[];
  /** Names of operations that never answered 2xx, and of those that nothing reached. */
  without2xx: string[];
  unreached: string[];
  faults: string[];
  heapGrowth: number;
};

const roundSize = 2500;
const concurrency = 16;
const mostFaults = 25;

/**
 * Sends requests, deterministic by the seed, to every operation that the server describes: right ones first, until
 * each operation has said 2xx or was asked often, then bent ones. Between rounds it makes fresh objects, and lets the
 * work that the program does by timers run, over whatever the requests left behind.
 */
export async function runCampaign(server: TestServer, seed: number, requests: number): Promise<Report> {
  const random = createRandom(seed);
  const document = (await server.owner.get('/openapi.json')).body;
  const operations = operationsOf(document);
  const world = await createWorld(server);
  const { send, end } = createSender(server.url, concurrency);
  const tally = createTally(operations);

  const run = async (batch: Request[]): Promise<void> => {
    const waiting = batch.values();
    const worker = async () => {
      for (const request of waiting) tally.note(request, await send(request));
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  };

  for (let attempt = 0; attempt < 12; attempt++) {
    const pending = operations.filter(({ name }) => !tally.succeeded.has(name));
    for (const operation of pending) await run([rightRequest(operation, world, random, server.ownerKey)]);
    if (attempt % 3 === 2) await world.renew(-1 - attempt);
  }

  let before: number | undefined;
  for (let round = 1; tally.total() < requests && tally.faults.length < mostFaults; round++) {
    const batch = Array.from({ length: Math.min(roundSize, requests - tally.total()) }, () => {
      const operation = random.pick(operations);
      return random.chance(0.12)
        ? rightRequest(operation, world, random, server.ownerKey)
        : bentRequest(operation, world, random, server.ownerKey);
    });
    await run(batch);
    await runChores(server).catch((error: unknown) =>
      tally.faults.push(`between rounds: ${String((error as Error).stack)}`),
    );
    await world.renew(round).catch((error: unknown) => tally.faults.push(`making fresh objects: ${String(error)}`));
    // Caches fill in the first rounds.
    if (round === 3) before = heapUsed();
  }
  const heapGrowth = before === undefined ? 0 : heapUsed() - before;
  end();
  return { ...tally.report(), operations, heapGrowth };
}

/** What single requests cost: CPU milliseconds of the whole process while nothing else is asked, the dearest first. */
export async function findDearest(server: TestServer, seed: number, requests: number) {
  const random = createRandom(seed);
  const operations = operationsOf((await server.owner.get('/openapi.json')).body);
  const world = await createWorld(server);
  const { send, end } = createSender(server.url, 1);
  const costs: { operation: string; status: number; octets: number; ms: number }[] = [];
  for (let count = 1; count <= requests; count++) {
    const operation = random.pick(operations);
    const make = random.chance(0.3) ? rightRequest : bentRequest;
    const request = make(operation, world, random, server.ownerKey);
    const before = process.cpuUsage();
    const { status } = await send(request);
    const { user, system } = process.cpuUsage(before);
    costs.push({ operation: operation.name, status, octets: request.body?.length ?? 0, ms: (user + system) / 1000 });
    if (count % roundSize === 0) await world.renew(count);
  }
  end();
  const sorted = costs.sort((a, b) => b.ms - a.ms);
  // The dearest of each operation: ten of one would hide the others.
  const first = sorted.filter((cost, at) => sorted.findIndex(({ operation }) => operation === cost.operation) === at);
  return first.slice(0, 10);
}

/** What the program does by timers, over what came in. */
async function runChores({ services }: TestServer): Promise<void> {
  await services.chores.run('write-decisions');
  await services.chores.run('write-last-seen');
  await services.chores.run('resume-bulk-revocations');
  await services.chores.run('sign-lists');
  await services.chores.run('free-names');
  await services.chores.run('prune-receipts');
  await services.chores.run('sweep-sessions');
  await services.chores.run('sweep-tokens');
}

function createTally(operations: Operation[]) {
  const byClass: Record<string, number> = {};
  const reached = new Set<string>();
  const succeeded = new Set<string>();
  const faults: string[] = [];
  let total = 0;
  let limited = 0;
  return {
    succeeded,
    faults,
    total: () => total,
    note(request: Request, { status, fault }: Outcome): void {
      total++;
      if (status === 429) limited++;
      const group = status === 0 ? 'unsent' : `${Math.floor(status / 100)}xx`;
      byClass[group] = (byClass[group] ?? 0) + 1;
      if (status > 0) reached.add(request.operation.name);
      if (status >= 200 && status < 300) succeeded.add(request.operation.name);
      if (fault !== undefined) faults.push(`#${total} ${describe(request)}\n  -> ${fault}`);
    },
    report: () => ({
      requests: total,
      byClass,
      limited,
      faults,
      without2xx: operations.filter(({ name }) => !succeeded.has(name)).map(({ name }) => name),
      unreached: operations.filter(({ name }) => !reached.has(name)).map(({ name }) => name),
    }),
  };
}

function describe({ method, path, headers, body, operation }: Request): string {
  const { authorization: _, ...shown } = headers;
  return `${method} ${path.slice(0, 300)} (${operation.name}) ${JSON.stringify(shown).slice(0, 300)} ${body?.toString().slice(0, 600) ?? ''}`;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
