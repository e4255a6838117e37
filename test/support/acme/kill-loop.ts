import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../client.js';
import { freePort } from '../ports.js';
import { startProgram, type Program } from '../program.js';
import { seeded } from '../seeded.js';
import { acmeCsr, openAcme, serialOf, type AcmeAnswer, type Eab } from './client.js';

type Outcome = {
  kills: number;
  /** Requests whose answer a kill took. */
  cut: number;
  /** Names with a certificate, and certificates of the registry. */
  things: number;
  certificates: number;
  /** What was given to a client and is not in the registry. */
  lost: number;
};

const rounds = 2;
const parties = 8;

/**
 * Kills the server with SIGKILL while accounts of ACME order, finalize and fetch, and starts it again. Every client repeats
 * what was not answered, until each of its names was issued once and renewed once.
 */
export async function runAcmeKillLoop(
  settings: Record<string, string>,
  ownerKey: string,
  kills: number,
): Promise<Outcome> {
  const random = seeded('acme kill loop');
  const port = String(await freePort());
  const start = () => startProgram({ ...settings, THINGWARD_PORT: port, THINGWARD_OWNER_KEY: ownerKey });
  let program: Program = await start();
  let [cut, done, stopping] = [0, 0, false];
  const patient = async (url: string, init?: RequestInit): Promise<Response> => {
    for (;;) {
      try {
        return await fetch(url, init);
      } catch {
        cut++;
        await sleep(50);
      }
    }
  };
  const owner = createClient(program.url, ownerKey);
  const { body } = await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1_000_000 });
  const acme = await openAcme(program.url, patient);
  const serials = new Set<string>();
  let names = 0;

  const work = async (n: number): Promise<void> => {
    const party = await acme.account(body.eab as Eab);
    for (let m = 0; !stopping; m++) {
      const name = `killed-${n}-${m}`;
      for (let round = 0; round < rounds; round++) serials.add(serialOf(await obtain(party, name)));
      names++;
      done++;
    }
  };
  const working = Promise.all(Array.from({ length: parties }, (_, n) => work(n)));
  for (let kill = 0; kill < kills; kill++) {
    const before = done;
    while (done === before) await sleep(5);
    await sleep(random.between(1, 300));
    await program.kill('SIGKILL');
    program = await start();
  }
  stopping = true;
  await working;

  const registry: string[] = [];
  for (let next = '/v1/certificates?limit=1000'; next !== '';) {
    const page = (await owner.get(next)).body as { items: { serialNumber: string }[]; nextCursor?: string };
    registry.push(...page.items.map(({ serialNumber }) => serialNumber));
    next =
      page.nextCursor === undefined ? '' : `/v1/certificates?limit=1000&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
  await program.kill();
  const known = new Set(registry);
  const lost = [...serials].filter((serial) => !known.has(serial)).length;
  return { kills, cut, things: names, certificates: registry.length, lost };
}

type Party = Awaited<ReturnType<Awaited<ReturnType<typeof openAcme>>['account']>>;

/** Asks until there is an answer. A kill may have taken it after the nonce was used, and a server that starts says so. */
async function answered(ask: () => Promise<AcmeAnswer>): Promise<AcmeAnswer> {
  for (;;) {
    const answer = await ask();
    if (answer.status < 300) return answer;
    if (answer.status < 500 && answer.body.type !== 'urn:ietf:params:acme:error:badNonce')
      throw new Error(`a request was refused: ${answer.text}`);
    await sleep(50);
  }
}

/** One order to its certificate. What a kill took is asked for again: by the order, which was finalized or was not. */
async function obtain({ ask, order }: Party, name: string): Promise<string> {
  const ordered = await answered(() => order(name));
  const url = ordered.headers.get('location')!;
  const finalize = () => ask(ordered.body.finalize as string, { csr });
  const csr = acmeCsr([name]);
  let answer = await answered(finalize);
  while (answer.body.status !== 'valid') {
    if (answer.body.status === 'invalid') throw new Error(`an order failed: ${answer.text}`);
    answer = await answered(answer.body.status === 'ready' ? finalize : () => ask(url));
  }
  return (await answered(() => ask(answer.body.certificate as string))).text;
}
