import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../client.js';
import { csrPem } from '../pki/csr.js';
import type { PostgresServer } from './postgres.js';
import type { Program } from '../program.js';
import type { Scrape } from './outage-series.js';

/** A line of the log of an instance. */
export type LogLine = { instance: string; level: number; msg: string; time: string; status?: number } & Record<
  string,
  unknown
>;

/** The lines of JSON that instances printed, in the order of their times. */
export function linesOf(programs: Program[]): LogLine[] {
  const lines = programs.flatMap((program, n) =>
    program
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => ({ ...(JSON.parse(line) as LogLine), instance: `thingward-${n + 1}` })),
  );
  return lines.sort((a, b) => (a.time < b.time ? -1 : 1));
}

/** A line for people: who said it, when, and what stands in it. */
export function shown({ instance, time, msg, ...rest }: LogLine): string {
  const { err, ...others } = rest as { err?: { message?: string } };
  const cause = err?.message ? ` (${err.message.replace(/\s+/g, ' ').slice(0, 120)})` : '';
  return `${time} ${instance} ${msg}${cause} ${JSON.stringify(others)}`;
}

type Outage = { seconds: number; scrapeSeconds: number };

/**
 * Asks two instances for a little of everything, ends their database as an operator does, starts it again after some
 * seconds, and ends the instances. Returns what `/metrics` said meanwhile, an empty text where it said nothing, and the ids of
 * requests that were refused with 503.
 */
export async function runOneOutage(
  postgres: PostgresServer,
  programs: Program[],
  ownerKey: string,
  { seconds, scrapeSeconds }: Outage,
): Promise<{ scrapes: Scrape[]; refused: string[] }> {
  const scrapes: Scrape[] = [];
  const refused: string[] = [];
  let [stopping, scraped] = [false, 0];
  const { token } = (
    await createClient(programs[0]!.url, ownerKey).post('/v1/enrollments', { thingNamePattern: '*', maxUses: 100_000 })
  ).body as { token: string };
  const loads = programs.map(async ({ url }, n) => {
    const [owner, agent] = [createClient(url, ownerKey, 'impatient'), createClient(url, token, 'impatient')];
    const follower = createClient(url, ownerKey, 'impatient');
    for (let round = 0; !stopping; round++) {
      const name = `${n}-${round}`;
      const question = { principal: { thingName: name }, action: 'connect', resource: `client:${name}` };
      const asks = [
        agent.post('/v1/provision', { thingName: name, csr: csrPem() }),
        owner.post('/v1/authorize', question),
        owner.post(`/v1/things/${name}/revoke`, { reason: 'keyCompromise' }),
        follower.get('/crl/bundle.pem'),
        follower.get('/readyz'),
      ];
      for (const ask of asks) {
        const answer = await ask.catch(() => undefined);
        if (answer?.status === 503) refused.push((answer.body as { requestId: string }).requestId);
      }
      await sleep(300);
    }
  });
  const scraping = (async () => {
    while (!stopping) {
      const at = scraped++ * scrapeSeconds;
      await Promise.all(
        programs.map(async ({ url }, n) => {
          const text = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(10_000) })
            .then((answer) => (answer.ok ? answer.text() : ''))
            .catch(() => '');
          scrapes.push({ seconds: at, instance: `thingward-${n + 1}`, text });
        }),
      );
      await sleep(scrapeSeconds * 1000);
    }
  })();
  await sleep(Math.max(3000, scrapeSeconds * 2000));
  await postgres.halt('SIGINT');
  await sleep(seconds * 1000);
  await postgres.resume();
  for (const { url } of programs) await untilReady(url);
  await sleep(Math.max(3000, scrapeSeconds * 5000));
  stopping = true;
  await Promise.all([...loads, scraping]);
  for (const program of programs) await program.kill();
  return { scrapes, refused };
}

async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(100);
  }
  throw new Error('an instance is not ready a minute after its database came back');
}
