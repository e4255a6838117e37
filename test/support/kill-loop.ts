import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from './client.js';
import { csrPem } from './pki/csr.js';
import type { Random } from './policy-cases.js';
import { freePort } from './ports.js';
import { startProgram, type Program } from './program.js';
import { seeded } from './seeded.js';

type Witness = { name: string; csr: string; certificate?: { serialNumber: string; pem: string } };

type KillLoopResult = {
  kills: number;
  acked: number;
  lost: number;
  changed: number;
  duplicates: number;
  extra: number;
};

const concurrency = 16;

/**
 * Waits for a random moment: every third time right after it was started again, otherwise once the count of what was acknowledged
 * has grown, however slow the machine is.
 */
export async function untilBusy(count: () => number, round: number, random: Random): Promise<void> {
  const before = count();
  while (round % 3 !== 2 && count() === before) await sleep(5);
  await sleep(random.between(20, 500));
}

/**
 * Kills the server with SIGKILL at random moments under provisioning load and starts it again, `kills`
 * times. Every device asks until it has a certificate; every one that has asks again now and then. Then
 * compares what left a socket with what the registry holds.
 */
export async function runKillLoop(
  settings: Record<string, string>,
  ownerKey: string,
  kills: number,
): Promise<KillLoopResult> {
  const random = seeded('kill loop');
  const port = String(await freePort());
  const start = () => startProgram({ ...settings, THINGWARD_PORT: port, THINGWARD_OWNER_KEY: ownerKey });
  let program: Program = await start();
  const url = program.url;
  const created = await createClient(url, ownerKey).post('/v1/enrollments', {
    thingNamePattern: '*',
    maxUses: 10_000_000,
  });
  const agent = createClient(url, created.body.token as string);
  const witnesses: Witness[] = [];
  let changed = 0;
  let answered = 0;
  let stopping = false;

  // An answer that never came is indeterminate: the device simply asks again.
  const ask = async (witness: Witness): Promise<void> => {
    const answer = await agent
      .post('/v1/provision', { thingName: witness.name, csr: witness.csr })
      .catch(() => undefined);
    if (answer?.status !== 200 && answer?.status !== 201) return;
    const certificate = answer.body.certificate as { serialNumber: string; pem: string };
    if (witness.certificate && witness.certificate.pem !== certificate.pem) changed++;
    answered++;
    witness.certificate ??= { serialNumber: certificate.serialNumber, pem: certificate.pem };
  };
  const device = async () => {
    while (!stopping) {
      const witness: Witness = { name: `d-${witnesses.length}`, csr: csrPem() };
      witnesses.push(witness);
      while (!witness.certificate && !stopping) {
        await ask(witness);
        if (!witness.certificate) await sleep(50);
      }
      if (random.chance(0.25)) await ask(random.pick(witnesses));
    }
  };
  const load = Array.from({ length: concurrency }, device);
  for (let kill = 0; kill < kills; kill++) {
    await untilBusy(() => answered, kill, random);
    await program.kill('SIGKILL');
    program = await start();
  }
  await untilBusy(() => answered, 1, random);
  stopping = true;
  await Promise.all(load);
  for (const witness of witnesses) await ask(witness);

  const registry = await readRegistry(url, ownerKey);
  await program.kill();
  const held = witnesses.filter(({ certificate }) => certificate);
  return {
    kills,
    acked: held.length,
    lost:
      held.filter(({ certificate }) => registry.get(certificate!.serialNumber) !== certificate!.pem).length +
      (witnesses.length - held.length),
    changed,
    duplicates: held.length - new Set(held.map(({ certificate }) => certificate!.serialNumber)).size,
    extra: registry.size - held.length,
  };
}

async function readRegistry(url: string, ownerKey: string): Promise<Map<string, string>> {
  const owner = createClient(url, ownerKey);
  const registry = new Map<string, string>();
  let cursor = '';
  do {
    const { body } = await owner.get(`/v1/certificates?limit=1000${cursor}`);
    for (const { serialNumber, pem } of body.items) registry.set(serialNumber, pem);
    cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : '';
  } while (cursor);
  return registry;
}
