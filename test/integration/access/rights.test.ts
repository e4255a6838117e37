import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createCredential } from '../../../src/access/credentials.js';
import { permissions, type Permission } from '../../../src/access/permissions.js';
import { csrPem, newKey } from '../../support/pki/csr.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { createWorld, hidden, restore, things, type World } from '../../support/access/rights-world.js';
import { effectsBetween, readState, type State } from '../../support/access/rights.js';
import { callsOfRooms, post, type Call } from '../../support/access/rights-calls.js';
import { randomNumbers } from '../../support/access/random-numbers.js';
import { startServer, type TestServer } from '../../support/server.js';

// `npm run ci-long` asks 10,000, in CI too; `npm run rights` 100,000.
const cases = Number(process.env['RIGHTS_CASES'] ?? 250);
const casesOfAnAccount = 250;

const next = randomNumbers(20261128);
const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(next() * items.length)]!;
const chance = (of: number): boolean => next() < of;
const some = <Item>(items: readonly Item[], of: number): Item[] => items.filter(() => chance(of));

const flags = ['bearer', 'enforcesCrl', 'followsFeed'] as const;

const grants = (): object => {
  const chosen = some(flags, 0.3).map((flag) => [flag, true]);
  const held = chance(0.3)
    ? { role: pick(['owner', 'auditor', 'proxy', 'edge']) }
    : { permissions: [pick(permissions)] };
  return { ...held, ...Object.fromEntries(chosen) };
};

const grantsOfPerson = (): object =>
  chance(0.3) ? { role: pick(['owner', 'auditor', 'proxy', 'edge']) } : { permissions: [pick(permissions)] };

const gifts = (): object => ({
  thingNamePattern: '*',
  maxUses: 10,
  ...(chance(0.4) ? { policy: pick(['sensor', 'gateway']) } : {}),
  ...(chance(0.3) ? { segment: 'dock' } : {}),
  ...(chance(0.3) ? { attributes: { site: pick(['a', 'b']) } } : {}),
  ...(chance(0.3) ? { deviceAttributes: ['site'] } : {}),
  ...(chance(0.2) ? { approval: 'required' } : {}),
});

const filters = (): object => pick([{ policy: 'sensor' }, { thingNames: [pick(things)] }, { group: 'x' }]);
const reasons = ['unspecified', 'certificateHold', 'keyCompromise', 'superseded'] as const;

/** Every way of changing something, or of reading a name, with the permission that its route asks for first. */
const calls: [Permission, (world: World) => Call][] = [
  [
    'certificates:revoke',
    ({ serials }) => post(`/v1/certificates/${serials[pick(things)]}/revoke`, { reason: pick(reasons) }),
  ],
  ['certificates:release', ({ serials }) => post(`/v1/certificates/${serials[pick(things)]}/release`)],
  ['certificates:revoke', () => post(`/v1/things/${pick(things)}/${pick(['suspend', 'resume', 'resume', 'revoke'])}`)],
  ['certificates:revoke', () => ({ method: 'DELETE', path: `/v1/things/${pick(things)}` })],
  [
    'certificates:revoke',
    () => post('/v1/revocations/bulk', { filter: filters(), reason: pick(reasons), dryRun: true }),
  ],
  [
    'certificates:revoke',
    () => post('/v1/revocations/bulk', { filter: filters(), reason: pick(reasons), expectedCount: pick([1, 4]) }),
  ],
  [
    'things:write',
    () => ({
      method: 'PATCH',
      path: `/v1/things/${pick(things)}`,
      body: { attributes: { site: pick(['a', 'b', null]) } },
    }),
  ],
  ['things:write', () => post(`/v1/things/${pick(things)}/reenroll`)],
  ['things:read', () => ({ method: 'GET', path: '/v1/things' })],
  [
    'policies:attach',
    () => ({
      method: 'PUT',
      path: `/v1/things/${pick(things)}/policies`,
      body: { policies: some(['sensor', 'gateway'], 0.5) },
    }),
  ],
  ['policies:write', () => post('/v1/policies', { name: `p${Math.floor(next() * 1000)}`, statements: [] })],
  ['policies:write', () => post('/v1/policies/sensor/activate', { version: pick([1, 2]) })],
  [
    'policies:write',
    () => ({ method: 'DELETE', path: `/v1/policies/${pick(['sensor', 'gateway', `p${Math.floor(next() * 1000)}`])}` }),
  ],
  ['policies:write', () => post('/v1/policies/sensor/activate', { version: pick([1, 2]), dryRun: true })],
  ['enrollments:write', () => post('/v1/enrollments', gifts())],
  [
    'enrollments:write',
    ({ enrollment }) => post(`/v1/enrollments/${enrollment}/revoke`, pick([{}, { andThings: true }])),
  ],
  [
    'enrollments:write',
    ({ enrollment }) => ({ method: 'PUT', path: `/v1/enrollments/${enrollment}/crl`, body: { crl: 'AAAA' } }),
  ],
  [
    'enrollments:write',
    ({ waiting }) => post(`/v1/waiting/${pick(waiting)}/approve`, pick([{}, { policies: [] }, { attributes: {} }])),
  ],
  ['enrollments:write', ({ waiting }) => post(`/v1/waiting/${pick(waiting)}/deny`, { reason: 'not ours' })],
  ['segments:write', () => ({ method: pick(['PUT', 'DELETE']), path: `/v1/segments/dock/things/${pick(things)}` })],
  ['segments:write', () => ({ method: 'PATCH', path: '/v1/segments/dock', body: { deviceLimit: pick([10, 100]) } })],
  ['people:write', () => post('/v1/people', { ...grantsOfPerson(), name: `n-${Math.floor(next() * 1e9)}` })],
  [
    'people:write',
    ({ people }) => ({
      method: 'PATCH',
      path: `/v1/people/${pick(people)}`,
      body: pick([grantsOfPerson(), { status: 'suspended' }, { name: `n-${Math.floor(next() * 1e9)}` }]),
    }),
  ],
  ['people:write', ({ people }) => ({ method: 'DELETE', path: `/v1/people/${pick(people)}` })],
  ['people:write', ({ people }) => post(`/v1/people/${pick(people)}/link`)],
  [
    'people:write',
    ({ providers }) => ({
      method: pick(['PATCH', 'PATCH', 'DELETE']),
      path: `/v1/sign-in/providers/${pick(providers)}`,
      body: pick([{ defaultRole: pick(['owner', 'auditor', 'proxy']) }, { issuer: 'https://other.example' }]),
    }),
  ],
  ['keys:write', () => post('/v1/api-keys', grants())],
  [
    'keys:write',
    ({ keys }) => ({
      method: 'PATCH',
      path: `/v1/api-keys/${pick(keys)}`,
      body: { name: `k${Math.floor(next() * 1e6)}` },
    }),
  ],
  ['keys:write', ({ keys }) => ({ method: 'DELETE', path: `/v1/api-keys/${pick(keys)}` })],
  ['proxies:write', () => post('/v1/proxies', { name: `edge-${Math.floor(next() * 20)}` })],
  ['proxies:write', ({ proxies }) => ({ method: 'DELETE', path: `/v1/proxies/${pick(proxies)}` })],
  ['proxies:write', ({ proxies }) => post(`/v1/proxies/${pick(proxies)}/sessions`, { incarnation: 'i' })],
  ['certificates:revoke', () => ({ method: 'DELETE', path: `/v1/sessions/session-of-${pick(things)}` })],
  ['things:read', () => ({ method: 'GET', path: pick(['/v1/sessions', `/v1/things/${pick(things)}/rights`]) })],
  ['authorize:query', () => ({ method: 'GET', path: '/integrations/rabbitmq/trust' })],
  ['edge:follow', () => ({ method: 'GET', path: '/v1/edge/snapshot' })],
  ['edge:follow', ({ prints }) => post('/v1/edge/principals', { fingerprints: prints })],
  ['edge:follow', () => post('/v1/edge/things', { names: ['pump-1'] })],
  ...callsOfRooms({ pick, chance, next }),
  ['edge:follow', () => ({ method: 'GET', path: '/v1/edge/things' })],
  ['revocations:read', () => post('/v1/proxies', { name: `edge-${Math.floor(next() * 20)}` })],
  [
    'issuers:write',
    ({ issuers }) => ({ method: 'PATCH', path: `/v1/issuers/${pick(issuers)}`, body: { listSuperseded: chance(0.5) } }),
  ],
  ['issuers:write', () => post('/v1/issuers', { kind: pick(['issuing', 'intermediate']) })],
  ['issuers:write', ({ issuers }) => post(`/v1/issuers/${pick(issuers)}/${pick(['activate', 'retire'])}`)],
  ['accounts:write', ({ account }) => post(`/v1/accounts/${account}/${pick(['suspend', 'resume'])}`)],
  ['aws:write', () => post('/v1/aws/import', { dryRun: chance(0.5) })],
  ['aws:write', () => ({ method: 'PUT', path: '/v1/aws', body: { mode: 'off' } })],
];

// What says names because that is what it is for.
const tellsNames = ['things:read', 'certificates:read', 'audit:read', 'revocations:read', 'edge:follow'];

describe('rights are closed under composition', () => {
  it('no sequence of calls has an effect whose own permission its keys lack', async () => {
    const server = await startServer(databaseKinds.at(-1)!);
    const counts: Counts = { cases: 0, calls: 0, granted: 0, effects: 0, names: 0, kinds: new Set() };
    try {
      for (let n = 0; n < cases; n += casesOfAnAccount) {
        const world = await createWorld(server, `account-${n}`);
        await restore(server, world);
        const keys = await insertKeys(server, world.account, Math.min(casesOfAnAccount, cases - n));
        let before = await readState(server.database.client, world.account, 'test');
        for (const key of keys) before = await runCase(server, world, key, before, counts);
      }
      console.log(`rights: ${JSON.stringify({ ...counts, kinds: counts.kinds.size })}`);
      expect(counts.cases).toBe(cases);
      // Random calls do come through, or the test says nothing.
      expect(counts.effects).toBeGreaterThan(cases / 4);
      expect(counts.names).toBeGreaterThan(cases / 100);
    } finally {
      await server.stop();
    }
  }, 7_200_000);
});

type Actor = { token: string; id: string };
type Counts = Record<'cases' | 'calls' | 'granted' | 'effects' | 'names', number> & { kinds: Set<string> };

type Said = { answers: string[]; actors: Actor[]; touched: boolean };

/** Makes one to three calls, and first boots by whatever enrollment they gave. */
async function makeCalls(server: TestServer, world: World, key: RandomKey, counts: Counts): Promise<Said> {
  const said: Said = { answers: [], actors: [key], touched: false };
  const likely = calls.filter(([permission]) => key.held.includes(permission));
  for (let step = pick([1, 1, 2, 3]); step > 0; step--) {
    const [, make] = chance(0.85) && likely.length > 0 ? pick(likely) : pick(calls);
    const call = make(world);
    const { status, body } = await ask(server, pick(said.actors).token, call);
    counts.calls++;
    if (status === 403) continue;
    if (status < 400) counts.granted++;
    said.touched ||= call.method !== 'GET';
    said.answers.push(JSON.stringify(body ?? ''));
    if (status !== 201) continue;
    if (call.path === '/v1/api-keys') said.actors.push({ token: body.key, id: body.id });
    if (body.token) await firstBoot(server, body.token, call.path);
  }
  return said;
}

async function firstBoot(server: TestServer, token: string, path: string): Promise<void> {
  const thingName = path.endsWith('reenroll') ? path.split('/')[3]! : `new-${randomUUID()}`;
  const chosen = chance(0.5) ? { attributes: { site: 'chosen' } } : {};
  await ask(server, token, post('/v1/provision', { thingName, csr: csrPem({ key: newKey() }), ...chosen }));
}

async function runCase(
  server: TestServer,
  world: World,
  key: RandomKey,
  before: State,
  counts: Counts,
): Promise<State> {
  const { held, flagged } = key;
  counts.cases++;
  const { answers, actors, touched } = await makeCalls(server, world, key, counts);
  if (answers.some((answer) => answer.includes(hidden))) {
    counts.names++;
    expect(
      held.filter((each) => tellsNames.includes(each)),
      `names were told to ${held.join(', ')}`,
    ).not.toEqual([]);
  }
  if (!touched) return before;
  const after = await readState(server.database.client, world.account, 'test');
  const can = new Set<string>([...held, ...flagged.map((flag) => `flag ${flag}`)]);
  const effects = effectsBetween(before, after, new Set(actors.map(({ id }) => id)));
  for (const { what, needs } of effects) {
    const lacking = needs.filter((each) => !can.has(each));
    expect(lacking, `${what} by a key with ${[...can].join(', ')}; it needs ${needs.join(', ')}`).toEqual([]);
    counts.kinds.add(needs.join(' '));
  }
  counts.effects += effects.length;
  const owners = Object.values(after.keys).filter(({ role, deleted }) => role === 'owner' && !deleted);
  expect(owners.length, 'the last owner key stays').toBeGreaterThan(0);
  // Only things and certificates run out of states to go to.
  if (isDeepStrictEqual([before.things, before.certificates], [after.things, after.certificates])) return after;
  await restore(server, world);
  return readState(server.database.client, world.account, 'test');
}

/** A key with random rights, and what it may do. */
type RandomKey = { token: string; id: string; held: Permission[]; flagged: string[] };

/** The keys of the cases to come, all at once. */
async function insertKeys(server: TestServer, account: string, count: number): Promise<RandomKey[]> {
  const rows = [];
  const keys: RandomKey[] = [];
  for (let n = 0; n < count; n++) {
    const { token, hash } = createCredential('twk');
    const held = some(permissions, pick([0.1, 0.2, 0.5, 0.9])).filter((each) => each !== 'accounts:write');
    if (held.length === 0) held.push('things:read');
    const key = { token, id: randomUUID(), held, flagged: some(flags, 0.2) };
    keys.push(key);
    const made = Object.fromEntries(key.flagged.map((flag) => [flag, true]));
    rows.push({
      id: key.id,
      accountName: account,
      hash: new Uint8Array(hash),
      permissions: held,
      ...made,
      createdAt: server.now(),
      createdBy: 'test',
    });
  }
  await server.database.client.apiKey.createMany({ data: rows });
  return keys;
}

async function ask(server: TestServer, token: string, { method, path, body, lines }: Call) {
  if (lines !== undefined) return askInLines(server, token, path, lines);
  const headers = { authorization: `Bearer ${token}` };
  const answer = await server.inject({ method, url: path, headers, ...(body ? { payload: body } : {}) });
  return { status: answer.statusCode, body: answer.payload === '' ? undefined : answer.json() };
}

async function askInLines(server: TestServer, token: string, url: string, payload: string) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
  const answer = await server.inject({ method: 'POST', url, headers, payload });
  return { status: answer.statusCode, body: answer.json() };
}
