import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from './client.js';
import { csrPem } from './pki/csr.js';
import { untilBusy } from './kill-loop.js';
import { listedSerials } from './pki/listed.js';
import { freePort } from './ports.js';
import { startProgram, type Program } from './program.js';
import { seeded } from './seeded.js';

type Device = { name: string; serialNumber: string; crl: string };
type Witness = Device & { reason: string; revokedAt: string; position: number };

const fleetSize = 60;
const revokers = 8;
const reasons = ['unspecified', 'keyCompromise', 'privilegeWithdrawn', 'certificateHold'];

/**
 * Kills the server with SIGKILL at random moments while certificates are revoked, and starts it again, `kills` times.
 * What was acknowledged is compared with the list, the registry and the feed of the server in the end, and with
 * what every acknowledgement said.
 */
export async function runRevocationKillLoop(settings: Record<string, string>, ownerKey: string, kills: number) {
  const random = seeded('revocation kill loop');
  const port = String(await freePort());
  const start = () => startProgram({ ...settings, THINGWARD_PORT: port, THINGWARD_OWNER_KEY: ownerKey });
  let program: Program = await start();
  const owner = createClient(program.url, ownerKey);
  const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 10_000_000 })).body;
  const agent = createClient(program.url, token as string);
  const waiting: Device[] = [];
  const acked: Witness[] = [];
  let made = 0;
  let stopping = false;

  const patiently = async <Answer extends { status: number }>(
    ask: () => Promise<Answer>,
  ): Promise<Answer | undefined> => {
    while (!stopping) {
      const answer = await ask().catch(() => undefined);
      if (answer && answer.status < 500) return answer;
      await sleep(30);
    }
    return undefined;
  };
  const provide = async () => {
    while (!stopping) {
      if (waiting.length >= fleetSize) await sleep(5);
      else {
        const [name, csr] = [`k-${made++}`, csrPem()];
        const answer = await patiently(() => agent.post('/v1/provision', { thingName: name, csr }));
        if (!answer) return;
        const crl = new URL(answer.body.links.crl as string).pathname;
        waiting.push({ name, serialNumber: answer.body.certificate.serialNumber as string, crl });
      }
    }
  };
  const revoke = async () => {
    while (!stopping) {
      const device = waiting.shift();
      if (!device) await sleep(5);
      else {
        const reason = random.pick(reasons);
        // An answer that never came is indeterminate: the same is asked again, and gets the first answer.
        const answer = await patiently(() => owner.post(`/v1/certificates/${device.serialNumber}/revoke`, { reason }));
        if (answer?.status === 200)
          acked.push({
            ...device,
            reason,
            revokedAt: answer.body.revokedAt as string,
            position: answer.body.position as number,
          });
      }
    }
  };
  const load = [provide(), provide(), provide(), provide(), ...Array.from({ length: revokers }, revoke)];
  for (let kill = 0; kill < kills; kill++) {
    await untilBusy(() => acked.length, kill, random);
    await program.kill('SIGKILL');
    program = await start();
  }
  while (acked.length <= kills) await sleep(5);
  stopping = true;
  await Promise.all(load);

  const listed = await listedSerials(program.url, acked[0]?.crl);
  const { body: snapshot } = await owner.get('/v1/revocations/snapshot');
  const inFeed = new Map(
    (snapshot.certificates as { serialNumber: string; reason: string; revokedAt: string }[]).map((each) => [
      each.serialNumber,
      each,
    ]),
  );
  const isLost = ({ serialNumber, reason, revokedAt }: Witness) => {
    const fed = inFeed.get(serialNumber);
    return !listed.has(serialNumber) || fed?.reason !== reason || fed.revokedAt !== revokedAt;
  };
  const positions = acked.map(({ position }) => position);
  await program.kill();
  return {
    kills,
    acked: acked.length,
    lost: acked.filter(isLost).length,
    positionsTwice: positions.length - new Set(positions).size,
  };
}
