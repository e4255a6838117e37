import { assertion, assertionType, enroll, holdSessions, pemOf, provision, type Device } from '../fleet.js';
import { siteReport } from '../edge/site.js';
import { csrPem } from '../pki/csr.js';
import type { TestServer } from '../server.js';
import type { Hints } from './values.js';

/** Things, policies, segments, certificates, keys and credentials that exist, so that requests come past the first check. */
export type World = Awaited<ReturnType<typeof createWorld>>;

export async function createWorld(server: TestServer) {
  const { owner } = server;
  const made = async (path: string, body: object) => {
    const answer = await owner.post(path, body);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
    return answer.body;
  };
  const issuers = (await owner.get('/v1/issuers')).body.items as { id: string; kind: string }[];
  const issuing = issuers.find(({ kind }) => kind === 'issuing')!.id;
  await owner.send('PATCH', `/v1/issuers/${issuing}`, { shards: 2, deltaList: true, listSuperseded: true });
  const key = async (body: object) => (await made('/v1/api-keys', body)) as { id: string; key: string };
  const keys = {
    proxy: (await key({ role: 'proxy', bearer: true })).key,
    auditor: (await key({ role: 'auditor' })).key,
    admin: (await key({ role: 'admin' })).key,
    inUrl: (await key({ permissions: ['authorize:query'], inUrl: true })).key,
  };
  await made('/v1/accounts', { name: 'other' });
  const { token } = await enroll(server, { maxUses: 10_000_000, deviceAttributes: ['site'] });
  await made('/v1/segments', { name: 'field', cidr: '10.0.0.0/8', deviceLimit: 1_000_000 });
  const statements = [
    {
      id: 'a',
      effect: 'allow',
      actions: ['publish'],
      resources: ['topic:${account}/${thing.name}/#'],
      condition: { attributes: { site: ['x'] }, qos: [0, 1] },
    },
    {
      id: 'b',
      effect: 'deny',
      actions: ['request'],
      resources: ['http:GET /a/+'],
      condition: { sourceCidrs: ['10.0.0.0/8'] },
    },
  ];
  await made('/v1/policies', { name: 'field', statements });

  /** Things with certificates; each renews once and holds a token. */
  const device = async (name: string): Promise<Device> => provision(server, token, name);
  const devices: Device[] = [];
  for (let index = 0; index < 12; index++) devices.push(await device(`w-${index}`));
  const sign = (each: Device, typ: string, claims: object = {}) =>
    assertion({
      pem: pemOf(each),
      key: each.key,
      audience: server.url,
      subject: `default/${each.name}`,
      now: server.now(),
      typ,
      claims: { ...claims },
    });
  const bulk = await made('/v1/revocations/bulk', {
    filter: { thingNames: ['w-11'] },
    reason: 'superseded',
    expectedCount: 1,
  }).catch(() => ({}));
  const { cursor } = (await owner.get('/v1/revocations')).body;

  const pools = {
    issuing,
    keys,
    token,
    statements,
    device,
    sign,
    devices,
    cursor: cursor as string,
    bulk: bulk.id as string | undefined,
    csrs: Array.from({ length: 60 }, () => csrPem()),
    /** Names of things that requests may ruin; made anew between rounds. */
    victims: [] as string[],
    serials: [] as string[],
    held: [] as string[],
    proxies: [] as string[],
    sites: [] as string[],
    edges: [] as string[],
    sessions: ['session-of-w-1', 'session-of-w-2', 'session-of-w-3'],
    fingerprints: [] as string[],
    segments: [] as string[],
    /** Policies that nothing uses. */
    spares: [] as string[],
    enrollments: [] as string[],
    /** Authorities that were prepared, and those that wait for a certificate. */
    prepared: [] as string[],
    waitingIssuers: [] as string[],
    waiting: [] as string[],
    apiKeys: [] as string[],
    people: [] as string[],
    providers: [] as string[],
    webhooks: [] as string[],
    groups: [] as string[],
    pipelines: [] as string[],
    campaigns: [] as string[],
    /** A thing, and its commands. */
    commanded: '',
    commands: [] as string[],
    commandSchemas: [] as string[],
    channels: [] as string[],
    rules: [] as string[],
    renewals: [] as object[],
    grants: [] as object[],
    refreshes: [] as string[],
    accessTokens: [] as string[],
  };

  /** Groups and campaigns that go on; those that requests have made make room. */
  const renewGroups = async (round: number): Promise<void> => {
    for (const name of pools.groups) await owner.send('DELETE', `/v1/groups/${name}`);
    for (const { id } of (await owner.get('/v1/campaigns')).body.items as { id: string }[])
      await owner.post(`/v1/campaigns/${id}/cancel`);
    pools.groups = [`g-${round}-0`, `g-${round}-1`];
    for (const name of pools.groups) await made('/v1/groups', { name, query: { name: 'v-*' } });
    pools.campaigns = [];
    for (const _ of [0, 1, 2])
      pools.campaigns.push((await made('/v1/campaigns', { query: 'name = "w-*"', do: 'renew' })).id as string);
  };

  const renewCommands = async (round: number): Promise<void> => {
    [pools.commands, pools.commandSchemas, pools.commanded] = [[], [], (await device(`c-${round}`)).name];
    for (const _ of [0, 1, 2])
      pools.commands.push(
        (await made(`/v1/things/${pools.commanded}/commands`, { name: 'reboot', expiresIn: 60 })).id as string,
      );
    // Those that requests have made make room.
    const { items } = (await owner.get('/v1/command-schemas?limit=1000')).body as { items: { id: string }[] };
    for (const { id } of items) await owner.send('DELETE', `/v1/command-schemas/${id}`);
    for (const name of ['one', 'two', 'three'])
      pools.commandSchemas.push((await made('/v1/command-schemas', { name, schema: true })).id as string);
  };

  /** What requests have made makes room. */
  const renewPipelines = async (round: number): Promise<void> => {
    const { items } = (await owner.get('/v1/pipelines?limit=1000')).body as {
      items: { name: string; builtIn?: true }[];
    };
    for (const { name, builtIn } of items) if (!builtIn) await owner.send('DELETE', `/v1/pipelines/${name}`);
    pools.pipelines = [`q-${round}-0`, `q-${round}-1`];
    for (const name of pools.pipelines)
      await made('/v1/pipelines', { name, match: { topics: ['#'] }, values: { a: '$.a' }, steps: [] });
  };

  const renewIssuers = async (): Promise<void> => {
    // What requests have prepared makes room.
    for (const { id, status } of (await owner.get('/v1/issuers')).body.items as { id: string; status: string }[])
      if (status !== 'active' && status !== 'retired') await owner.post(`/v1/issuers/${id}/retire`);
    pools.waitingIssuers = [(await made('/v1/issuers', { kind: 'intermediate' })).id as string];
    const prepared = await owner.post('/v1/issuers', { kind: 'issuing' });
    pools.prepared = prepared.status === 201 ? [prepared.body.id as string] : pools.prepared;
  };

  /** Fresh objects in the place of those that requests have used up. */
  const renew = async (round: number): Promise<void> => {
    const fresh: Device[] = [];
    for (let index = 0; index < 6; index++) fresh.push(await device(`v-${round}-${index}`));
    pools.victims = fresh.map(({ name }) => name);
    pools.serials = fresh.map(({ answer }) => answer.body.certificate.serialNumber as string);
    pools.held = [fresh[5]!.answer.body.certificate.serialNumber as string];
    await made(`/v1/certificates/${pools.held[0]}/revoke`, { reason: 'certificateHold' });
    // Machines that requests have made up may have no room for any pipeline.
    const { items: machines } = (await owner.get('/v1/sites?limit=1000')).body as { items: { id: string }[] };
    for (const { id } of machines) await owner.send('DELETE', `/v1/proxies/${id}`);
    pools.proxies = [];
    for (const name of ['own-1', 'own-2', 'own-3'])
      pools.proxies.push((await made('/v1/proxies', { name })).id as string);
    pools.sites = [(await made('/v1/proxies', { name: `site-${round}` })).id as string];
    await owner.post(`/v1/proxies/${pools.sites[0]}/site`, siteReport(0.5));
    pools.fingerprints = fresh.map(({ answer }) => answer.body.certificate.fingerprint as string);
    // One has said what it holds; another has not yet, and may at once.
    await holdSessions(owner, `loud-${round}`, ['w-1', 'w-2', 'w-3']);
    pools.edges = [(await made('/v1/proxies', { name: `silent-${round}`, sessions: true })).id as string];
    pools.segments = [`s-${round}-0`, `s-${round}-1`];
    for (const name of pools.segments) await made('/v1/segments', { name, cidr: '10.0.0.0/8' });
    pools.spares = [`q-${round}-0`, `q-${round}-1`, `q-${round}-2`];
    for (const name of pools.spares) await made('/v1/policies', { name, statements });
    pools.enrollments = [];
    // Those that nobody decided about make room.
    for (const id of pools.waiting) await owner.post(`/v1/waiting/${id}/deny`, { reason: 'late' });
    pools.waiting = [];
    const approving = await enroll(server, { approval: 'required' });
    for (let index = 0; index < 4; index++)
      pools.waiting.push((await provision(server, approving.token, `a-${round}-${index}`)).answer.body.id as string);
    await renewIssuers();
    pools.apiKeys = [];
    pools.people = [];
    await made('/v1/people', { name: `p-${round}`, role: 'auditor' }).then(({ person }) =>
      pools.people.push(person.id as string),
    );
    // Those that requests have made count too.
    const { items } = (await owner.get('/v1/sign-in/providers')).body as { items: { id: string }[] };
    for (const { id } of items) await owner.send('DELETE', `/v1/sign-in/providers/${id}`);
    const provider = { name: `i-${round}`, issuer: 'http://127.0.0.1:9', clientId: 'c', clientSecret: 's' };
    pools.providers = [(await made('/v1/sign-in/providers', provider)).id as string];
    await renewGroups(round);
    await renewCommands(round);
    await renewPipelines(round);
    for (const id of pools.webhooks) await owner.send('DELETE', `/v1/webhooks/${id}`);
    for (const id of pools.channels) await owner.send('DELETE', `/v1/alerts/channels/${id}`);
    for (const id of pools.rules) await owner.send('DELETE', `/v1/alerts/rules/${id}`);
    const hook = { url: 'https://hooks.invalid/' };
    const rule = { metric: 'edges.stale', condition: 'greater_than', threshold: 0, severity: 'info', channels: [] };
    [pools.webhooks, pools.channels, pools.rules] = [[], [], []];
    for (const n of [0, 1]) {
      pools.webhooks.push((await made('/v1/webhooks', { ...hook, types: ['policy.activated'] })).id as string);
      const channel = { ...hook, name: `c-${round}-${n}`, type: 'webhook' };
      pools.channels.push((await made('/v1/alerts/channels', channel)).id as string);
      pools.rules.push((await made('/v1/alerts/rules', { ...rule, name: `r-${round}-${n}` })).id as string);
    }
    for (let index = 0; index < 2; index++) {
      pools.enrollments.push((await enroll(server)).id);
      pools.apiKeys.push((await key({ role: 'auditor' })).id);
    }
    const last = fresh.slice(0, 3);
    pools.accessTokens = fresh.map(({ answer }) => answer.body.token.accessToken as string);
    pools.refreshes = last.map(({ answer }) => answer.body.token.refreshToken as string);
    pools.renewals = await Promise.all(
      last.map(async (each) => {
        const csr = csrPem();
        const { createHash } = await import('node:crypto');
        const der = Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64');
        const proof = await sign(each, 'renew+jwt', {
          csr_sha256: createHash('sha256').update(der).digest('base64url'),
        });
        return { csr, proof };
      }),
    );
    pools.grants = await Promise.all(
      fresh.slice(3).map(async (each) => ({
        grant_type: 'client_credentials',
        client_assertion: await sign(each, 'client-authentication+jwt'),
        client_assertion_type: assertionType,
      })),
    );
  };
  await renew(0);
  return { pools, renew };
}

/** Names and values that fit members by their name. */
export function hintsOf({ pools }: World): Hints {
  const things = () => [...pools.victims, 'w-1', 'w-2', 'nobody'];
  const hints: Record<string, () => readonly unknown[]> = {
    thingName: things,
    thing: things,
    thingNames: () => [things()],
    thingNamePattern: () => ['*', 'x-?', 'w-*'],
    policy: () => ['field', 'sensor'],
    policies: () => ['field', 'sensor', 'camera'],
    segment: () => ['field'],
    enrollment: () => pools.enrollments,
    serialNumber: () => pools.serials,
    lineageOf: () => pools.serials,
    csr: () => pools.csrs,
    cidr: () => ['10.0.0.0/8', '2001:db8::/32'],
    sourceCidrs: () => ['10.0.0.0/8', '::/0'],
    sourceIp: () => ['10.1.2.3', '2001:db8::1', '10.1.2.3:99'],
    timeZone: () => ['Europe/Berlin', 'UTC'],
    cursor: () => [pools.cursor],
    after: () => [pools.cursor],
    atLeast: () => [pools.cursor],
    token: () => [...pools.accessTokens, ...pools.refreshes],
    proof: () => ['x.y.z'],
    action: () => ['publish', 'subscribe', 'connect', 'request', 'read'],
    resource: () => ['topic:default/w-1/telemetry/a', 'http:GET /a/b', 'endpoint:control_endpoint'],
    fingerprint: () => ['a'.repeat(64)],
    fingerprints: () => [pools.fingerprints],
    endpoint: () => ['http://127.0.0.1:9'],
    stsEndpoint: () => ['http://127.0.0.1:9'],
    url: () => ['http://127.0.0.1:9/'],
    expiresAt: () => ['2099-01-01T00:00:00Z'],
  };
  return (name) => (Object.hasOwn(hints, name) ? hints[name]!() : undefined);
}
