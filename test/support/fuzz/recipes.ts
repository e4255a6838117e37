import type { Random } from '../policy-cases.js';
import { gatewayRecipes } from './gateway-recipes.js';
import { name, type Recipe } from './recipe.js';
import type { World } from './world.js';

const statement = (world: World, random: Random) => random.pick(world.pools.statements);
const document = (world: World, random: Random) => ({ name: name(random), statements: [statement(world, random)] });
const asked = (random: Random) => ({
  principal: { thingName: random.pick(['w-1', 'w-2', 'w-3']) },
  action: 'publish',
  resource: 'topic:default/w-1/telemetry/a',
  context: { sourceIp: '10.1.2.3', protocol: 'mqtts', qos: random.below(3), retain: false },
});
const provider = { issuer: 'http://127.0.0.1:9', clientId: 'c', clientSecret: 's' };
const evaluation = {
  subject: { type: 'thing', id: 'w-1' },
  action: { name: 'publish' },
  resource: { type: 'topic', id: 'a' },
};

const message = { username: 'w-1', clientid: 'w-1', topic: 'default/w-1/telemetry/a', qos: '0', retain: 'false' };

/** Bodies that are right where a schema does not say all that makes one so. */
export const recipes: Record<string, Recipe> = {
  ...gatewayRecipes,
  'POST /v1/accounts': (_world, random) => ({ name: name(random), timeZone: 'UTC' }),
  'POST /v1/api-keys': (_world, random) => ({
    name: 'k',
    ...random.pick([{ role: 'auditor' }, { permissions: ['things:read'] }]),
  }),
  'POST /v1/people': (_world, random) => ({ name: name(random), role: 'auditor' }),
  'PATCH /v1/people/{id}': (_world, random) => random.pick([{ role: 'auditor' }, { name: name(random) }]),
  'POST /v1/sign-in/providers': (_world, random) => ({ ...provider, name: name(random) }),
  'PATCH /v1/sign-in/providers/{id}': (_world, random) => ({ defaultRole: random.pick(['auditor', 'operator']) }),
  'PATCH /v1/sign-in/settings': (_world, random) => ({ passwords: random.chance(0.5) }),
  'POST /v1/enrollments': () => ({
    thingNamePattern: 'e-*',
    maxUses: 3,
    attributes: { site: 'x' },
    policies: ['sensor'],
    sourceCidrs: ['10.0.0.0/8'],
  }),
  'POST /v1/enrollments/{id}/revoke': (_world, random) => ({ andThings: random.chance(0.5) }),
  'PATCH /v1/enrollments/{id}': (_world, random) => ({ renewGraceSeconds: random.pick([0, 60, null]) }),
  'POST /v1/things/expected': (_world, random) => Buffer.from(`{"name":"${name(random)}"}\n`),
  'POST /v1/waiting/{id}/approve': () => ({}),
  'POST /v1/waiting/{id}/deny': () => ({ reason: 'not ours' }),
  'POST /v1/provision': ({ pools }, random) =>
    random.chance(0.97)
      ? { thingName: name(random), csr: random.pick(pools.csrs), attributes: { site: 'x' } }
      : { thingName: name(random), keyType: random.pick(['ec-p256', 'ed25519']), format: 'pkcs12', password: 'secret' },
  'POST /v1/renew': ({ pools }, random) => random.pick(pools.renewals),
  'POST /v1/token': ({ pools }, random) =>
    random.chance(0.5)
      ? random.pick(pools.grants)
      : { grant_type: 'refresh_token', refresh_token: random.pick(pools.refreshes) },
  'POST /v1/token/revoke': ({ pools }, random) => ({ token: random.pick(pools.refreshes) }),
  'POST /v1/introspect': ({ pools }, random) => ({ token: random.pick(pools.accessTokens) }),
  'PATCH /v1/things/{name}': (_world, random) => ({ attributes: { site: random.pick(['x', 'y', null]) } }),
  'PUT /v1/things/{name}/policies': () => ({ policies: ['field', 'sensor'] }),
  'POST /v1/policies': document,
  'POST /v1/policies/lint': document,
  'POST /v1/policies/{name}/versions': (world, random) => ({ statements: [statement(world, random)] }),
  'POST /v1/policies/{name}/activate': (_world, random) => ({
    version: 1,
    ...(random.chance(0.5) ? { dryRun: true } : {}),
  }),
  'POST /v1/policies/simulate': (world, random) => ({
    policies: [{ name: 'field' }, document(world, random)],
    requests: [
      {
        thing: { name: 'w-1', attributes: { site: 'x' } },
        action: 'publish',
        resource: 'topic:default/w-1/a',
        at: '2026-11-28T00:00:00Z',
        context: { qos: 1 },
      },
    ],
  }),
  'POST /v1/segments': (_world, random) => ({
    name: name(random),
    cidr: '10.0.0.0/8',
    egressRules: ['any', { port: 1 }],
  }),
  'PATCH /v1/segments/{name}': () => ({ deviceLimit: 1_000_000, allowedProtocols: ['MQTT'] }),
  'PATCH /v1/issuers/{id}': (_world, random) => ({ shards: 2, deltaList: random.chance(0.9), listMaxAge: 5 }),
  'POST /v1/issuers': (_world, random) => ({ kind: random.pick(['issuing', 'intermediate']) }),
  'PUT /v1/issuers/{id}/certificate': () => ({
    certificate: '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----',
  }),
  'POST /v1/authorize': (_world, random) => asked(random),
  'POST /v1/authorize/batch': (_world, random) => ({
    requests: Array.from({ length: 1 + random.below(4) }, () => asked(random)),
  }),
  'POST /v1/authorize/rights': (_world, random) => {
    const { principal, context } = asked(random);
    return { principal, context };
  },
  'POST /access/v1/evaluation': () => evaluation,
  'POST /access/v1/evaluations': () => ({
    ...evaluation,
    evaluations: [{}, { subject: { type: 'thing', id: 'w-2' } }],
  }),
  'POST /access/v1/search/subject': (_world, random) => ({ ...evaluation, page: { limit: random.below(5) } }),
  'POST /access/v1/search/action': (_world, random) => ({ ...evaluation, page: { limit: random.below(5) } }),
  'POST /access/v1/search/resource': (_world, random) => ({ ...evaluation, page: { limit: random.below(5) } }),
  'POST /v1/certificates/{serialNumber}/revoke': (_world, random) => ({
    reason: random.pick(['certificateHold', 'superseded', 'keyCompromise']),
  }),
  'POST /v1/things/{name}/revoke': () => ({ reason: 'cessationOfOperation' }),
  'POST /v1/self/revoke': () => ({ reason: 'superseded' }),
  'POST /v1/revocations/bulk': ({ pools }, random) => ({
    filter: { thingNames: [random.pick(pools.victims)] },
    reason: 'superseded',
    dryRun: true,
  }),
  'POST /v1/groups': (_world, random) => ({ name: name(random), query: random.pick(['type = pump', { name: 'v-*' }]) }),
  'PATCH /v1/groups/{name}': (_world, random) => ({
    query: random.pick(['not status = active', { status: 'active' }]),
  }),
  'POST /v1/campaigns': (_world, random) => ({
    query: 'name = "v-*"',
    ...random.pick([{ do: 'renew' }, { do: 'attach', policies: ['field'] }]),
    dryRun: true,
  }),
  'POST /v1/proxies': (_world, random) => ({ name: random.pick(['edge-1', 'edge-2', 'edge-3']) }),
  'POST /v1/proxies/{id}/applied': ({ pools }) => ({ cursor: pools.cursor, incarnation: 'i', mode: 'stream' }),
  'POST /v1/proxies/{id}/sessions': ({ pools }, random) => ({
    incarnation: 'i',
    full: true,
    opened: pools.sessions.map((id) => ({
      id,
      thingName: 'w-1',
      protocol: 'mqtts',
      connectedAt: '2026-11-28T00:00:00Z',
    })),
    seen: [{ thingName: random.pick(pools.victims), at: '2026-11-28T00:00:00Z' }],
    denied: { 'no-matching-statement': random.below(5) },
  }),
  'POST /v1/proxies/{id}/site': (_world, random) => ({
    capacity: { cores: 2, memory: 1000, disk: 1000 },
    load: { cpu: random.below(10) / 10, memory: 500, disk: 500, bandwidth: 0, messages: 0, sessions: 0 },
  }),
  'POST /v1/edge/principals': ({ pools }) => ({ fingerprints: pools.fingerprints }),
  'POST /v1/edge/things': ({ pools }) => ({ names: pools.victims.slice(0, 5) }),
  'POST /v1/webhooks': () => ({ url: 'https://hooks.invalid/', types: ['policy.activated'] }),
  'PATCH /v1/webhooks/{id}': (_world, random) => ({ enabled: random.chance(0.5) }),
  'POST /v1/alerts/channels': (_world, random) => ({
    name: name(random),
    type: 'slack',
    url: 'https://hooks.invalid/',
  }),
  'PATCH /v1/alerts/channels/{id}': (_world, random) => ({ enabled: random.chance(0.5) }),
  'POST /v1/alerts/rules': (_world, random) => ({
    name: name(random),
    metric: 'edges.stale',
    condition: 'greater_than',
    threshold: 0,
    severity: 'info',
    channels: [],
  }),
  'PATCH /v1/alerts/rules/{id}': (_world, random) => ({ threshold: random.below(5) }),
  'PUT /v1/aws': () => ({ mode: 'off' }),
  'POST /v1/aws/import': () => ({ dryRun: true }),
  'POST /v1/aws/reconcile': () => ({ dryRun: true }),
  'POST /integrations/emqx/authn': ({ pools }, random) => ({
    clientid: random.pick(pools.victims),
    username: random.pick(pools.victims),
    password: random.pick(pools.accessTokens),
    listener: 'ssl:default',
  }),
  'POST /integrations/emqx/authz': (_world, random) => ({ ...message, action: random.pick(['publish', 'subscribe']) }),
  'POST /integrations/mosquitto/acl': (_world, random) => ({ ...message, acc: 1 + random.below(4) }),
  'POST /integrations/rabbitmq/user': () => ({ username: 'w-1' }),
  'POST /integrations/rabbitmq/topic': () => ({
    username: 'w-1',
    resource: 'topic',
    name: 'amq.topic',
    permission: 'write',
    routing_key: 'default.w-1.telemetry.a',
    'variable_map.client_id': 'w-1',
  }),
  'POST /integrations/vernemq': () => ({ username: 'w-1', client_id: 'w-1', topics: [{ topic: 'a/#', qos: 1 }] }),
  'POST /integrations/mgate': ({ pools }, random) => ({
    action: random.pick(['publish', 'subscribe', 'receive', 'connect']),
    clientId: 'w-1',
    fingerprint: random.pick(pools.fingerprints),
    topics: ['default/w-1/telemetry/a'],
  }),
  'POST /integrations/hivemq': ({ pools }, random) => ({
    action: random.pick(['publish', 'subscribe', 'connect']),
    clientId: 'w-1',
    password: random.pick(pools.accessTokens),
    topics: ['default/w-1/telemetry/a'],
  }),
  'POST /integrations/nats': ({ pools }, random) => ({
    clientId: 'w-1',
    username: 'w-1',
    password: random.pick(pools.accessTokens),
  }),
  'POST /ocsp': () => Buffer.from('300730053003300030', 'hex'),
};

function issuersOf({ waitingIssuers, prepared, issuing }: World['pools'], path: string): readonly string[] {
  if (path.endsWith('/csr')) return waitingIssuers;
  return /activate|retire/.test(path) ? prepared : [issuing];
}

function thingsOf({ commanded, victims }: World['pools'], path: string): readonly string[] {
  return path.includes('/commands') ? [commanded] : [...victims, 'w-1'];
}

/** What stands in paths. */
export function pathValues({ pools }: World, path: string, name: string): readonly string[] {
  const first = path.split('/')[2] ?? '';
  const byName: Record<string, readonly string[]> = {
    things: thingsOf(pools, path),
    policies: path === '/v1/policies/{name}' ? ['field', ...pools.spares] : ['field', 'sensor'],
    pipelines: path === '/v1/pipelines/{name}' ? [...pools.pipelines, 'sensor'] : ['sensor', 'camera', 'actuator'],
    segments: ['field', ...pools.segments],
    accounts: ['other'],
    groups: pools.groups,
  };
  const byId: Record<string, readonly string[]> = {
    'api-keys': pools.apiKeys,
    enrollments: pools.enrollments,
    waiting: pools.waiting,
    issuers: issuersOf(pools, path),
    proxies: path.endsWith('/sessions') ? pools.edges : pools.proxies,
    sites: pools.sites,
    sessions: pools.sessions,
    people: pools.people,
    'sign-in': pools.providers,
    webhooks: pools.webhooks,
    campaigns: pools.campaigns,
    things: pools.commands,
    'command-schemas': pools.commandSchemas,
    alerts: path.includes('/rules/') ? pools.rules : path.includes('/channels/') ? pools.channels : [],
    revocations: pools.bulk ? [pools.bulk] : [],
    rabbitmq: pools.fingerprints,
  };
  const others: Record<string, readonly string[]> = {
    provider: pools.providers,
    thingName: pools.victims,
    serialNumber: path.endsWith('/release') ? pools.held : pools.serials,
    version: ['1'],
    account: ['default', 'other'],
    issuerId: [pools.issuing],
    shard: ['1'],
    position: ['1', '2', '3'],
    rest: ['MFEwTzBNMEswSTAJBgUrDgMCGgUA', 'AAAA'],
  };
  if (name === 'name') return byName[first] ?? ['w-1'];
  if (name === 'id') return byId[first] ?? [];
  return others[name] ?? [];
}

/** Never sent to where it would leave this machine. */
export function tamed(operation: string, body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const members = body as Record<string, unknown>;
  if (operation.includes('/v1/sign-in/providers') && 'issuer' in members)
    return { ...members, issuer: provider.issuer };
  if (operation !== 'PUT /v1/aws' || members['mode'] === 'off') return body;
  return { ...members, endpoint: 'http://127.0.0.1:9', stsEndpoint: 'http://127.0.0.1:9' };
}

/** A body in the form of RFC 6749. */
export function formOf(body: unknown): string {
  const members = Object.entries((body ?? {}) as Record<string, unknown>);
  return new URLSearchParams(members.map(([key, value]): [string, string] => [key, String(value)])).toString();
}
