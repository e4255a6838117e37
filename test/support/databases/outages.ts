import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, problemOf, type Answer, type Client } from '../client.js';
import { csrPem } from '../pki/csr.js';
import { listedSerials } from '../pki/listed.js';
import { ocspRequest, ocspStatus } from '../pki/ocsp.js';
import type { PostgresServer } from './postgres.js';
import type { Program } from '../program.js';

type Device = { name: string; serialNumber: string; fingerprint: string; crl: string };

const signals = ['SIGQUIT', 'SIGINT', 'SIGKILL'] as const;
const reasons = ['unspecified', 'keyCompromise', 'privilegeWithdrawn'];
const mostWaiting = 30;
const policy = (name: string, site: string) => ({
  name,
  statements: [{ id: 'own', effect: 'allow', actions: ['publish'], resources: [`topic:${site}/\${thing.name}/#`] }],
});

/**
 * Ends PostgreSQL at many moments, each way that it ends, and starts it again, while two instances are asked for
 * everything that a fleet asks for. Returns what was acknowledged, what of it is missing in the end, and every answer that
 * is neither what was asked for nor the promised refusal.
 */
export async function runOutages(postgres: PostgresServer, programs: Program[], ownerKey: string, outages: number) {
  const owners = programs.map(({ url }) => createClient(url, ownerKey, 'impatient'));
  const strangers = programs.map(({ url }) => createClient(url, undefined, 'impatient'));
  const owner = () => owners[randomInt(owners.length)]!;
  const stranger = () => strangers[randomInt(strangers.length)]!;
  const { token } = (await owners[0]!.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1_000_000 })).body;
  const agents = programs.map(({ url }) => createClient(url, token as string, 'impatient'));
  const chain = (await strangers[0]!.get('/ca/chain.pem')).text;

  const odd = new Map<string, number>();
  const refused = { 'not-ready': 0, 'not-settled': 0 };
  const provisioned: Device[] = [];
  const waiting: Device[] = [];
  const revoked: (Device & { reason: string })[] = [];
  const policies = new Map<string, number>();
  let made = 0;
  let stopping = false;

  /** An answer that says what was asked for; what else is said is noted. */
  const judge = async (what: string, ask: Promise<Answer>, expected: number[]): Promise<Answer | undefined> => {
    const answer = await ask.catch((error: unknown) => ({ status: 0, text: String(error) }) as Answer);
    if (expected.includes(answer.status)) return answer;
    const said = answer.status === 503 ? problemOf(answer) : undefined;
    if (said === 'not-ready' || said === 'not-settled') refused[said]++;
    else note(`${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
    return undefined;
  };
  const note = (line: string) => odd.set(line, (odd.get(line) ?? 0) + 1);

  const provide = async () => {
    if (waiting.length >= mostWaiting) return void (await sleep(20));
    const name = `o-${made++}`;
    const agent = agents[randomInt(agents.length)]!;
    const answer = await judge('provision', agent.post('/v1/provision', { thingName: name, csr: csrPem() }), [201]);
    if (!answer) return;
    const { serialNumber, fingerprint } = answer.body.certificate;
    const device = { name, serialNumber, fingerprint, crl: new URL(answer.body.links.crl as string).pathname };
    provisioned.push(device);
    waiting.push(device);
  };
  const revoke = async () => {
    const device = waiting.shift();
    if (!device) return void (await sleep(20));
    const reason = reasons[randomInt(reasons.length)]!;
    // What was refused may be done all the same, and is asked again until it is acknowledged.
    while (!stopping) {
      const path = `/v1/certificates/${device.serialNumber}/revoke`;
      if (await judge('revoke', owner().post(path, { reason }), [200])) return void revoked.push({ ...device, reason });
      await sleep(50);
    }
  };
  const edit = async () => {
    const name = `p-${randomInt(3)}`;
    const document = policy(name, `site${made}`);
    const isKnown = policies.has(name);
    const path = isKnown ? `/v1/policies/${name}/versions` : '/v1/policies';
    const answer = await judge('policy', owner().post(path, document), [201, ...(isKnown ? [] : [409])]);
    if (answer?.status === 409) policies.set(name, Math.max(policies.get(name) ?? 0, 1));
    if (answer?.status !== 201) return;
    const { version } = answer.body as { version: number };
    policies.set(name, Math.max(policies.get(name) ?? 0, version));
    await judge('activate', owner().post(`/v1/policies/${name}/activate`, { version }), [200]);
  };
  const decide = async () => {
    const device = provisioned[randomInt(Math.max(1, provisioned.length))];
    if (!device) return void (await sleep(20));
    const question = {
      principal: { fingerprint: device.fingerprint },
      action: 'connect',
      resource: `client:${device.name}`,
    };
    // Who was revoked before the question is denied, whatever happens to the database meanwhile.
    const isRevoked = revoked.some(({ serialNumber }) => serialNumber === device.serialNumber);
    const answer = await judge('authorize', owner().post('/v1/authorize', question), [200]);
    if (answer && isRevoked && answer.body.decision !== 'deny')
      note(`authorize: ${answer.text} for a revoked ${device.name}`);
  };
  const list = async () => {
    const device = revoked.at(-1);
    if (!device) return void (await sleep(20));
    const path = [device.crl, '/crl/bundle.pem', '/v1/audit?limit=5', '/v1/things?limit=5', '/v1/revocations?limit=5'][
      randomInt(5)
    ]!;
    await judge(path, (path.startsWith('/v1') ? owner() : stranger()).get(path), [200]);
    for (const open of ['/healthz', '/.well-known/jwks.json', '/ca/chain.pem']) {
      const answer = await judge(open, stranger().get(open), [200]);
      if (!answer && open === '/healthz') note('/healthz refused');
    }
    await judge('/readyz', stranger().get('/readyz'), [200]);
  };
  const ask = async () => {
    const device = revoked.at(-1);
    if (!device) return void (await sleep(20));
    const { url } = programs[randomInt(programs.length)]!;
    const said = await askOcsp(url, chain, device.serialNumber).catch((error: unknown) => String(error));
    if (said !== 'revoked' && said !== 'not-ready') note(`ocsp: ${said}`);
  };

  const untilStopped = async (work: () => Promise<void>) => {
    while (!stopping) await work();
  };
  const load = [provide, provide, provide, revoke, revoke, revoke, edit, decide, decide, list, list, ask].map(
    untilStopped,
  );
  for (let outage = 0; outage < outages; outage++) {
    // Two of three come when work is going on again, the third while the one before is not yet overcome.
    if (outage % 3 !== 2)
      await until(
        grows(() => provisioned.length),
        grows(() => revoked.length),
      );
    await sleep(randomInt(0, 600));
    await postgres.halt(signals[randomInt(signals.length)]!);
    await sleep(randomInt(2) === 0 ? randomInt(0, 200) : randomInt(200, 2500));
    await postgres.resume();
  }
  stopping = true;
  await Promise.all(load);
  await Promise.all(strangers.map(untilReady));

  const missing = (await Promise.all(owners.map(missingAt))).flat();
  return {
    odd: [...odd],
    refused,
    provisioned: provisioned.length,
    revoked: revoked.length,
    policies: policies.size,
    missing,
  };

  /** What was acknowledged and is not there, as one instance says. */
  async function missingAt(client: Client, index: number): Promise<string[]> {
    const listed = await listedSerials(programs[index]!.url, revoked[0]?.crl);
    const lines = revoked
      .filter(({ serialNumber }) => !listed.has(serialNumber))
      .map(({ name }) => `${name} is not in the list`);
    const reasonOf = new Map(revoked.map(({ serialNumber, reason }) => [serialNumber, reason]));
    for (const { name, serialNumber } of provisioned) {
      const { status, body } = await client.get(`/v1/certificates/${serialNumber}`);
      if (status !== 200) lines.push(`${name} has no certificate: ${status}`);
      else if (reasonOf.has(serialNumber) && body.reason !== reasonOf.get(serialNumber))
        lines.push(`${name} was revoked for ${reasonOf.get(serialNumber)}, not ${body.reason}`);
    }
    for (const [name, version] of policies) {
      const { status } = await client.get(`/v1/policies/${name}/versions/${version}`);
      if (status !== 200) lines.push(`policy ${name}@${version}: ${status}`);
    }
    return lines;
  }
}

const grows = (count: () => number): (() => boolean) => {
  const before = count();
  return () => count() > before + 2;
};

/** Resolves when all of it is so. @throws when it never is */
async function until(...conditions: (() => boolean)[]): Promise<void> {
  for (let attempt = 0; attempt < 3000; attempt++) {
    if (conditions.every((holds) => holds())) return;
    await sleep(20);
  }
  throw new Error('the instances do no work a minute after their database came back');
}

/** An instance recovers by itself. @throws when it never does */
async function untilReady(client: Client): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if ((await client.get('/readyz')).status === 200) return;
    await sleep(100);
  }
  throw new Error('an instance is not ready a minute after its database came back');
}

async function askOcsp(url: string, chain: string, serialNumber: string): Promise<string | undefined> {
  const response = await fetch(`${url}/ocsp`, {
    method: 'POST',
    headers: { 'content-type': 'application/ocsp-request' },
    body: new Uint8Array(ocspRequest(chain, serialNumber)),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (response.status === 200) return ocspStatus(bytes);
  return response.status === 503
    ? (JSON.parse(bytes.toString()).type as string).split(':').at(-1)
    : `${response.status} ${bytes.toString()}`;
}
