import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, problemOf, type Answer } from '../client.js';
import { csrPem } from '../pki/csr.js';
import { listedSerials } from '../pki/listed.js';
import type { Program } from '../program.js';

/** The folder of an earlier version, built: from the history of this repository, once. */
export function earlierVersion(commit: string): string {
  const folder = resolve(process.env['UPGRADE_CACHE'] ?? '.ci-tools/upgrade', commit);
  if (existsSync(join(folder, 'dist/main.js'))) return folder;
  mkdirSync(folder, { recursive: true });
  const inherit = { stdio: 'inherit' as const };
  execFileSync('sh', ['-c', `git archive ${commit} | tar -x -C '${folder}'`], inherit);
  execFileSync('sh', ['-c', 'npm ci --no-audit --no-fund && npm run -s build'], { ...inherit, cwd: folder });
  return folder;
}

export type Device = { name: string; serialNumber: string; pem: string; crl: string };

/** Makes devices through a server, and revokes every third of them. */
export async function makeFleet(url: string, ownerKey: string, size: number) {
  const owner = createClient(url, ownerKey);
  const { token } = (await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1_000_000 })).body as {
    token: string;
  };
  const agent = createClient(url, token);
  const devices: Device[] = [];
  for (let n = 0; n < size; n++)
    devices.push(deviceIn(await agent.post('/v1/provision', { thingName: `old-${n}`, csr: csrPem() })));
  const revoked = devices.filter((_, n) => n % 3 === 0);
  for (const { name } of revoked) await owner.post(`/v1/things/${name}/revoke`, { reason: 'keyCompromise' });
  return { token, devices, revoked };
}

function deviceIn({ status, body, text }: Answer): Device {
  if (status !== 201) throw new Error(`${status} ${text}`);
  const { thing, certificate, links } = body as {
    thing: { name: string };
    certificate: { serialNumber: string; pem: string };
    links: { crl: string };
  };
  return {
    name: thing.name,
    serialNumber: certificate.serialNumber,
    pem: certificate.pem,
    crl: new URL(links.crl).pathname,
  };
}

/** What of a fleet an instance does not know, or knows otherwise. */
export async function missingAt(
  url: string,
  ownerKey: string,
  { devices, revoked }: { devices: Device[]; revoked: Device[] },
): Promise<string[]> {
  const owner = createClient(url, ownerKey);
  while ((await fetch(`${url}/readyz`)).status !== 200) await sleep(100);
  const listed = await listedSerials(url, revoked[0]?.crl);
  const lines = revoked
    .filter(({ serialNumber }) => !listed.has(serialNumber))
    .map(({ name }) => `${name} is not in the list`);
  for (const { name, serialNumber, pem } of devices) {
    const { status, body } = await owner.get(`/v1/certificates/${serialNumber}`);
    if (status !== 200 || (body as { pem: string }).pem !== pem) lines.push(`${name}: ${status}, or other bytes`);
  }
  return lines;
}

/** What is asked of instances while they are replaced; `live` are the URLs that a load balancer would send to. */
export function startLoad(live: Set<string>, ownerKey: string, token: string) {
  const [devices, revoked]: [Device[], Device[]] = [[], []];
  const counts: Record<string, number> = {
    provisioned: 0,
    revoked: 0,
    decisions: 0,
    lists: 0,
    'not-ready': 0,
    'lost connections': 0,
  };
  const odd: string[] = [];
  let [made, stopping] = [0, false];
  const any = (): string => [...live][randomInt(live.size)]!;
  const count = (what: string): void => void (counts[what] = (counts[what] ?? 0) + 1);

  /** Asks until an instance answers; what the papers do not allow is noted. */
  const ask = async (what: string, send: (url: string) => Promise<Answer>): Promise<Answer | undefined> => {
    while (!stopping) {
      const answer = await send(any()).catch(() => undefined);
      if (answer === undefined) count('lost connections');
      else if (answer.status === 503 && ['not-ready', 'not-settled'].includes(problemOf(answer) ?? ''))
        count('not-ready');
      else if (answer.status >= 500) odd.push(`${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
      else return answer;
      await sleep(50);
    }
    return undefined;
  };
  const question = ({ name }: Device) => ({
    principal: { thingName: name },
    action: 'connect',
    resource: `client:${name}`,
  });

  const provide = async () => {
    const body = { thingName: `new-${made++}`, csr: csrPem() };
    const answer = await ask('provision', (url) => createClient(url, token, 'impatient').post('/v1/provision', body));
    // The same request again is the same device: 200, if the first answer was lost.
    if (!answer || ![200, 201].includes(answer.status))
      return void (answer && odd.push(`provision: ${answer.text.slice(0, 200)}`));
    devices.push(deviceIn({ ...answer, status: 201 }));
    count('provisioned');
  };
  const revoke = async () => {
    const device = devices[revoked.length];
    if (!device) return void (await sleep(20));
    const answer = await ask('revoke', (url) =>
      createClient(url, ownerKey, 'impatient').post(`/v1/things/${device.name}/revoke`, { reason: 'keyCompromise' }),
    );
    if (!answer) return;
    if (answer.status !== 200) odd.push(`revoke: ${answer.text.slice(0, 200)}`);
    revoked.push(device);
    count('revoked');
    // Acknowledged: no instance allows it from now on.
    for (const url of live) {
      const said = await createClient(url, ownerKey, 'impatient')
        .post('/v1/authorize', question(device))
        .catch(() => undefined);
      if (said?.status === 200 && (said.body as { decision: string }).decision !== 'deny')
        odd.push(`stale: ${device.name} at ${url}: ${said.text}`);
      if (said?.status === 200) count('decisions');
    }
  };
  const decide = async () => {
    const device = devices[randomInt(Math.max(1, devices.length))];
    if (!device) return void (await sleep(20));
    const answer = await ask('authorize', (url) =>
      createClient(url, ownerKey, 'impatient').post('/v1/authorize', question(device)),
    );
    if (answer?.status === 200) count('decisions');
  };
  const list = async () => {
    for (const path of ['/crl/bundle.pem', '/v1/things?limit=20', '/v1/audit?limit=20', '/v1/revocations?limit=20']) {
      const answer = await ask(path, (url) => createClient(url, ownerKey, 'impatient').get(path));
      if (answer?.status === 200) count('lists');
      else if (answer) odd.push(`${path}: ${answer.status}`);
    }
    await sleep(100);
  };
  const untilStopped = async (work: () => Promise<void>) => {
    while (!stopping) await work();
  };
  const loads = [provide, revoke, decide, list].map(untilStopped);
  const stop = async () => {
    stopping = true;
    await Promise.all(loads);
    return { counts, odd, devices, revoked };
  };
  return { stop, counts };
}

/** Takes an instance out of the balancer, then ends it, as docs/upgrade.md says. */
export async function retire(live: Set<string>, program: Program): Promise<void> {
  live.delete(program.url);
  await sleep(200);
  await program.kill();
}

/** Resolves when an instance is ready, and puts it behind the balancer. */
export async function admitTo(live: Set<string>, program: Program): Promise<void> {
  while ((await fetch(`${program.url}/readyz`).catch(() => undefined))?.status !== 200) await sleep(100);
  live.add(program.url);
}
