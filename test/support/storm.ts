import { createHash, X509Certificate } from 'node:crypto';
import { expect } from 'vitest';
import type { Question } from '../../src/authorize/question.js';
import { lintPolicy } from '../../src/policy/lint.js';
import type { Statement } from '../../src/policy/document.js';
import { enroll, pemOf, provision, useKey, type Device } from './fleet.js';
import { randomPolicies, type Random } from './policy-cases.js';
import type { TestServer } from './server.js';

const names = ['n', 'a', 'b', 'pump', 'valve', 'meter', 'lamp', 'door', 'lock', 'fan'];
const policyNames = ['q0', 'q1', 'q2', 'q3', 'q4', 'q5'];
const segmentNames = ['hall', 'yard'];
const attributeValues = ['a', 'b', 'a/b', '$s', '1'];

/** A device, with every token that it was given. */
export type Held = { device: Device; serialNumber: string; fingerprint: string; pem: string; tokens: string[] };

const statementsOf = (random: Random) => randomPolicies(random).flatMap(({ statements }) => statements);
/** What lint has no error about. */
const acceptable = (statements: Statement[]) => {
  const accepted = statements.filter(
    (statement) => !lintPolicy({ name: 'q', statements: [statement] }).some(({ level }) => level === 'error'),
  );
  return accepted.length > 0 ? accepted : [reading];
};
const reading: Statement = { id: 's', effect: 'allow', actions: ['read'], resources: ['endpoint:a'] };
const documentOf = (random: Random, name: string) => ({
  name,
  statements: acceptable(statementsOf(random)).map((statement, index) => ({ ...statement, id: `s${index}` })),
});
const someOf = <Item>(random: Random, items: readonly Item[]): Item[] => items.filter(() => random.chance(0.5));

function holdingOf(device: Device): Held {
  const { certificate, token } = device.answer.body as {
    certificate: { serialNumber: string };
    token: { accessToken: string };
  };
  const pem = pemOf(device);
  const fingerprint = createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
  return { device, serialNumber: certificate.serialNumber, fingerprint, pem, tokens: [token.accessToken] };
}

/** Things, policies and segments that change all the time, for those who compare two judges. */
export type Storm = Awaited<ReturnType<typeof startStorm>>;

/** Makes them on a server. */
export async function startStorm(server: TestServer, random: Random) {
  const held: Held[] = [];

  const send = async (method: string, path: string, body?: object): Promise<number> =>
    (await server.direct(server.ownerKey).send(method, path, body)).status;

  /** Changes of everything that decisions are made from. Some are refused by the state that they meet, which is fine. */
  const changes: Record<string, (random: Random, one: Held) => Promise<number>> = {
    async 'new version'(random) {
      const name = random.pick(policyNames);
      const { body } = await server
        .direct(server.ownerKey)
        .post(`/v1/policies/${name}/versions`, documentOf(random, name));
      return send('POST', `/v1/policies/${name}/activate`, { version: body.version });
    },
    'old version': (random) => send('POST', `/v1/policies/${random.pick(policyNames)}/activate`, { version: 1 }),
    attributes: (random, { device }) =>
      send('PATCH', `/v1/things/${device.name}`, {
        attributes: { v: random.pick([...attributeValues, null]), w: random.pick(['1', null]) },
      }),
    policies: (random, { device }) =>
      send('PUT', `/v1/things/${device.name}/policies`, { policies: someOf(random, policyNames) }),
    'into a segment': (random, { device }) =>
      send('PUT', `/v1/segments/${random.pick(segmentNames)}/things/${device.name}`),
    'out of a segment': (random, { device }) =>
      send('DELETE', `/v1/segments/${random.pick(segmentNames)}/things/${device.name}`),
    segment: (random) =>
      send('PATCH', `/v1/segments/${random.pick(segmentNames)}`, {
        cidr: random.pick(['10.0.0.0/8', '10.1.2.0/23', '0.0.0.0/0', '2001:db8::/32']),
        allowedProtocols: random.pick([['MQTT'], ['HTTP', 'CoAP'], ['MQTT', 'HTTP', 'CoAP']]),
      }),
    suspend: (_random, { device }) => send('POST', `/v1/things/${device.name}/suspend`),
    resume: (_random, { device }) => send('POST', `/v1/things/${device.name}/resume`),
    hold: (_random, { serialNumber }) =>
      send('POST', `/v1/certificates/${serialNumber}/revoke`, { reason: 'certificateHold' }),
    release: (_random, { serialNumber }) => send('POST', `/v1/certificates/${serialNumber}/release`),
    'revoke the certificate': (random, { serialNumber }) =>
      send('POST', `/v1/certificates/${serialNumber}/revoke`, { reason: random.pick(['keyCompromise', 'superseded']) }),
    'revoke the thing': (_random, { device }) =>
      send('POST', `/v1/things/${device.name}/revoke`, { reason: 'keyCompromise' }),
    async 'bring back'(_random, one) {
      const { status, body } = await server.direct(server.ownerKey).post(`/v1/things/${one.device.name}/reenroll`);
      if (status !== 201) return status;
      const device = await provision(server, body.token as string, one.device.name);
      if (device.answer.status < 300) Object.assign(one, holdingOf(device));
      return device.answer.status;
    },
    async token(_random, one) {
      const { status, body } = await useKey(server, one.device);
      if (status === 200) one.tokens = [...one.tokens.slice(-3), body.access_token as string];
      return status;
    },
  };

  /** What undoes others is drawn more often, so that something is allowed. */
  const drawn = [...Object.keys(changes), 'resume', 'release', 'bring back', 'token', 'token', 'token'];

  /** Makes a change on the first thing, from a random one on, whose state takes it. */
  const makes = async (what: string, random: Random): Promise<boolean> => {
    const first = random.below(held.length);
    for (const one of [...held.slice(first), ...held.slice(0, first)]) {
      const status = await changes[what]!(random, one);
      expect(status, what).toBeLessThan(500);
      if (status < 300) return true;
    }
    return false;
  };

  /** Every form of principal, of things that are there and of none. */
  const principalOf = (random: Random): Question['principal'] => {
    const [one, other] = [random.pick(held), random.pick(held)];
    const token = random.chance(0.03) ? 'none.of.ours' : random.pick(one.tokens);
    switch (random.below(8)) {
      case 0:
      case 1:
        return { token, fingerprint: one.fingerprint };
      case 2:
        return { token, certificatePem: one.pem };
      case 3:
        return { token };
      case 4:
        return random.chance(0.2) ? { token, fingerprint: other.fingerprint } : { certificatePem: one.pem };
      case 5:
        return { fingerprint: random.chance(0.1) ? 'ab'.repeat(32) : one.fingerprint };
      default:
        return { thingName: random.chance(0.05) ? 'nobody' : one.device.name };
    }
  };

  for (const name of policyNames) {
    const { status, text } = await server.direct(server.ownerKey).post('/v1/policies', documentOf(random, name));
    expect(status, text).toBe(201);
  }
  for (const name of segmentNames)
    expect(await send('POST', '/v1/segments', { name, cidr: '10.0.0.0/8', allowedProtocols: ['MQTT'] })).toBe(201);
  for (const name of names) {
    const { token } = await enroll(server, { policies: someOf(random, policyNames), attributes: { v: 'a' } });
    held.push(holdingOf(await provision(server, token, name)));
  }

  return { held, changes, drawn, makes, principalOf };
}
