import { hash, randomBytes, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as der from '../../../src/pki/der.js';
import { oids } from '../../../src/pki/oid.js';
import { createClient, problemOf, type Answer, type Client } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { seeded } from '../../support/seeded.js';
import { startProgram, type Program } from '../../support/program.js';

// `npm run linearizability` sets the long form.
const operations = Number(process.env['REVOCATION_OPERATIONS'] ?? 150);
const isLong = operations > 1000;
const [devices, readsEach, betweenStopsMs] = isLong ? [48, 8, 6000] : [16, 4, 1000];
const random = seeded('linearizability');
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Device = { name: string; serialNumber: string; fingerprint: string; certId: Buffer; crl: string; token: string };
type Output = (client: Client, url: string, device: Device) => Promise<boolean | 'no answer'>;

/** Every output, and whether it says that a device is held: one list, one answer, one state, one decision. */
const outputs: Record<string, Output> = {
  async authorize(client, _url, { fingerprint, name }) {
    const resource = `topic:default/${name}/telemetry/x`;
    const { status, body } = await client.post('/v1/authorize', {
      principal: { fingerprint },
      action: 'publish',
      resource,
    });
    return status === 503 ? 'no answer' : body.decision === 'deny';
  },
  async 'authorize by name'(client, _url, { name }) {
    const resource = `topic:default/${name}/telemetry/x`;
    const { status, body } = await client.post('/v1/authorize', {
      principal: { thingName: name },
      action: 'publish',
      resource,
    });
    return status === 503 ? 'no answer' : body.decision === 'deny';
  },
  async list(_client, url, { crl, serialNumber }) {
    const response = await fetch(`${url}${crl}`);
    if (response.status === 503) return 'no answer';
    return Buffer.from(await response.arrayBuffer()).includes(Buffer.from(serialNumber, 'hex'));
  },
  async ocsp(_client, url, { certId }) {
    const body = der.sequence(der.sequence(der.sequence(der.sequence(certId))));
    const response = await fetch(`${url}/ocsp`, {
      method: 'POST',
      headers: { 'content-type': 'application/ocsp-request' },
      body: new Uint8Array(body),
    });
    if (response.status === 503) return 'no answer';
    const answer = Buffer.from(await response.arrayBuffer());
    const status = answer[answer.indexOf(certId) + certId.length];
    expect([0x80, 0xa1]).toContain(status);
    return status === 0xa1;
  },
  async introspection(client, _url, { token }) {
    const { status, body } = await client.post('/v1/introspect', { token });
    return status === 503 ? 'no answer' : body.active === false;
  },
  async feed(client, _url, { serialNumber }) {
    const { status, body } = await client.get('/v1/revocations/snapshot');
    return status === 503
      ? 'no answer'
      : body.certificates.some((each: { serialNumber: string }) => each.serialNumber === serialNumber);
  },
};

describe.skipIf(!databaseKinds.includes('postgresql'))(
  'revocations on two instances, one of them stopped now and then',
  () => {
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    let programs: Program[];
    let clients: Client[];
    /** Take every answer as it comes: one that is not ready says nothing false. */
    let readers: Client[];
    let enrollment: string;
    let made = 0;

    const newDevice = async (): Promise<Device> => {
      const name = `d-${made++}`;
      const agent = createClient(programs[0]!.url, enrollment);
      const { body } = await agent.post('/v1/provision', { thingName: name, csr: csrPem() });
      const { serialNumber, fingerprint, chainPem } = body.certificate as Record<string, string>;
      return {
        name,
        serialNumber: serialNumber!,
        fingerprint: fingerprint!,
        crl: new URL(body.links.crl as string).pathname,
        certId: certIdOf(serialNumber!, chainPem!),
        token: body.token.accessToken as string,
      };
    };

    beforeAll(async () => {
      const { settings } = await freshDatabase('postgresql');
      // One service under one name, or the tokens of one instance would be strangers to the other.
      const url = 'http://127.0.0.1:8080';
      const names = { THINGWARD_PUBLIC_URL: url, THINGWARD_PKI_URL: url };
      const common = { ...settings, ...names, THINGWARD_OWNER_KEY: ownerKey, LOG_LEVEL: 'error' };
      programs = await Promise.all([startProgram(common), startProgram(common)]);
      clients = programs.map(({ url }) => createClient(url, ownerKey));
      readers = programs.map(({ url }) => createClient(url, ownerKey, 'impatient'));
      enrollment = (await clients[0]!.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1_000_000 })).body
        .token;
    });
    afterAll(async () => {
      for (const program of programs) {
        program.process.kill('SIGCONT');
        await program.kill();
      }
    });

    it(
      'every output that is asked for after an acknowledgement goes by it',
      { timeout: 900_000 + operations * 100 },
      async () => {
        const counts = { operations: 0, unsettled: 0, forGood: 0, reads: 0, unanswered: 0, stops: 0 };
        let running = true;
        const names = Object.keys(outputs);

        const work = async (): Promise<void> => {
          let device = await newDevice();
          for (let held = false; counts.operations < operations;) {
            counts.operations++;
            // The first instance is never stopped, so that its acknowledgements have to do without the other's.
            const writer = clients[random.below(4) === 0 ? 1 : 0]!;
            const path = `/v1/certificates/${device.serialNumber}`;
            const forGood = random.below(10) === 0;
            const reason = forGood ? 'keyCompromise' : 'certificateHold';
            const done = await untilMade(() =>
              held && !forGood ? writer.post(`${path}/release`) : writer.post(`${path}/revoke`, { reason }),
            );
            held = forGood || !held;
            // Made and not acknowledged: it promises nothing about the outputs until the next one is acknowledged.
            if (problemOf(done) === 'not-settled') {
              counts.unsettled++;
              continue;
            }
            expect(done.status, done.text).toBe(200);
            const checks = Array.from({ length: readsEach }, async () => {
              const [which, name] = [random.below(2), names[random.below(names.length)]!];
              const said = await outputs[name]!(readers[which]!, programs[which]!.url, device);
              counts.reads++;
              if (said === 'no answer') counts.unanswered++;
              else expect(said, `${name} of instance ${which} about ${device.name}`).toBe(held);
            });
            await Promise.all(checks);
            // What is revoked for good stays so: another device takes its place.
            if (!forGood) continue;
            counts.forGood++;
            [device, held] = [await newDevice(), false];
          }
        };

        const stop = async (): Promise<void> => {
          while (running) {
            await pause(betweenStopsMs);
            programs[1]!.process.kill('SIGSTOP');
            counts.stops++;
            await pause(2500);
            programs[1]!.process.kill('SIGCONT');
          }
        };

        const stopping = stop();
        await Promise.all(Array.from({ length: devices }, work)).finally(() => (running = false));
        await stopping;
        console.log(
          `linearizability: ${Object.entries(counts)
            .map(([name, n]) => `${name}=${n}`)
            .join(' ')} violations=0`,
        );
        expect(counts.stops).toBeGreaterThan(0);
        expect(counts.reads).toBeGreaterThan(counts.unanswered);
      },
    );
  },
);

/** Asks until a change is made, as long as an instance that was stopped or is slow refuses because it is not ready. */
async function untilMade(change: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await change();
    if (problemOf(answer) !== 'not-ready') return answer;
    await pause(100);
  }
}

/** The CertID of RFC 6960 §4.1.1 by SHA-256. */
function certIdOf(serialNumber: string, chainPem: string): Buffer {
  const issuer = der.members(
    der.members(der.readOne(new X509Certificate(chainPem).raw), der.tags.sequence)[0],
    der.tags.sequence,
  );
  const spki = der.members(issuer[6], der.tags.sequence);
  const key = der.contentOf(spki[1], der.tags.bitString).subarray(1);
  const sha256 = (bytes: Buffer) => der.octetString(hash('sha256', bytes, 'buffer'));
  return der.sequence(
    der.sequence(oids.sha256, der.nullValue()),
    sha256(issuer[5]!.bytes),
    sha256(key),
    der.integer(Buffer.from(serialNumber, 'hex')),
  );
}
