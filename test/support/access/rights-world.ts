import { randomUUID } from 'node:crypto';
import type { Client } from '../client.js';
import { enroll, holdSessions, provision } from '../fleet.js';
import type { TestServer } from '../server.js';

/** The things that requests name. */
export const things = ['alpha', 'beta', 'gamma', 'delta'];
/** No request names this one: whoever reads its name was told it. */
export const hidden = 'unnamed-by-anybody';

/** What an account has that requests may be about. */
export type World = {
  account: string;
  serials: Record<string, string>;
  enrollment: string;
  issuers: string[];
  keys: string[];
  proxies: string[];
  people: string[];
  providers: string[];
  prints: string[];
  waiting: string[];
  webhooks: string[];
  campaigns: string[];
};
/** An account with things in every state, a segment, a second version of a policy, keys and an edge. */
export async function createWorld(server: TestServer, name: string): Promise<World> {
  const { ownerKey } = (await server.owner.post('/v1/accounts', { name })).body;
  const owner = server.as(ownerKey);
  const { id, token } = await enroll({ owner }, { policy: 'sensor' });
  const webhooks: string[] = [];
  // Before the things: what it has to tell names them.
  for (const types of [['thing.provisioned'], ['audit.*']])
    webhooks.push((await owner.post('/v1/webhooks', { url: 'https://hooks.example/', types })).body.id);
  const serials: Record<string, string> = {};
  const prints: string[] = [];
  for (const thing of [...things, hidden]) {
    const { answer } = await provision(server, token, thing);
    serials[thing] = answer.body.certificate.serialNumber;
    prints.push(answer.body.certificate.fingerprint);
  }
  await owner.post('/v1/segments', { name: 'dock', cidr: '10.0.0.0/8' });
  await owner.post('/v1/policies/sensor/versions', { statements: [] });
  const keys: string[] = [];
  for (const role of ['owner', 'admin', 'operator', 'auditor', 'proxy'])
    keys.push((await owner.post('/v1/api-keys', { role })).body.id);
  for (const permission of ['things:read', 'issuers:write', 'certificates:release'])
    keys.push((await owner.post('/v1/api-keys', { permissions: [permission] })).body.id);
  const proxy = (await owner.post('/v1/proxies', { name: 'gate' })).body.id;
  await holdSessions(owner, 'door', [...things, hidden]);
  const people: string[] = [];
  for (const role of ['admin', 'operator', 'auditor'])
    people.push((await owner.post('/v1/people', { name: role, role })).body.person.id);
  const made = { issuer: 'https://idp.example', clientId: 'c', clientSecret: 's' };
  const providers: string[] = [];
  for (const defaultRole of ['auditor', 'proxy'])
    providers.push((await owner.post('/v1/sign-in/providers', { ...made, name: defaultRole, defaultRole })).body.id);
  const issuers = (await owner.get('/v1/issuers')).body.items.map((issuer: { id: string }) => issuer.id);
  const waiting = await waitFor(server, owner);
  await owner.post('/v1/pipelines', { name: 'own', match: { topics: ['#'] }, values: { a: '$.a' }, steps: [] });
  await owner.post('/v1/groups', { name: 'all', query: 'name = "*"' });
  const campaigns: string[] = [];
  for (const deed of [{ do: 'renew' }, { do: 'attach', policies: ['camera'] }, { do: 'detach', policies: ['sensor'] }])
    campaigns.push((await owner.post('/v1/campaigns', { group: 'all', ...deed })).body.id);
  return {
    account: name,
    serials,
    enrollment: id,
    issuers,
    keys,
    proxies: [proxy],
    people,
    providers,
    prints,
    waiting,
    webhooks,
    campaigns,
  };
}

/** Devices that wait under enrollments that give little and much: more than the cases of an account decide about. */
async function waitFor(server: TestServer, owner: Client): Promise<string[]> {
  const waiting: string[] = [];
  for (const gift of [{}, { segment: 'dock' }, { attributes: { site: 'a' } }, { deviceAttributes: ['site'] }]) {
    const { token } = await enroll({ owner }, { policy: 'sensor', approval: 'required', ...gift });
    for (let n = 0; n < 15; n++) {
      const chosen = 'deviceAttributes' in gift && n % 2 === 0 ? { attributes: { site: 'chosen' } } : {};
      const { answer } = await provision(server, token, `waiting-${randomUUID()}`, chosen);
      waiting.push(answer.body.id);
    }
  }
  return waiting;
}

/** Puts the things of an account back to where they began: suspended, held, revoked and active ones. */
export async function restore(server: TestServer, { account, serials }: World): Promise<void> {
  const db = server.database.client;
  await db.$executeRaw`UPDATE things SET deleted_at = NULL, status = CASE name WHEN 'beta' THEN 'suspended' WHEN 'delta' THEN 'revoked' ELSE 'active' END
    WHERE account_name = ${account} AND former_name IS NULL`;
  await db.$executeRaw`UPDATE certificates c SET held_by_suspension = t.name = 'beta',
      reason = CASE t.name WHEN 'beta' THEN 'certificateHold' WHEN 'gamma' THEN 'certificateHold' WHEN 'delta' THEN 'unspecified' END,
      revoked_at = CASE WHEN t.name IN ('beta', 'gamma', 'delta') THEN c.created_at END
    FROM things t WHERE t.id = c.thing_id AND c.account_name = ${account}`;
  // A thing that came back is another one, with a certificate of its own.
  const newest = await db.$queryRaw<{ name: string; serial: string }[]>`
    SELECT DISTINCT ON (t.name) t.name, c.serial_number AS serial FROM things t JOIN certificates c ON c.thing_id = t.id
    WHERE t.account_name = ${account} AND t.name = ANY(${[...things]}) ORDER BY t.name, c.created_at DESC`;
  for (const { name, serial } of newest) serials[name] = serial;
}
