import { isDeepStrictEqual } from 'node:util';
import type { Database } from '../../../src/db/client.js';

/** Everything of an account that a right is needed to change. */
export type State = {
  things: Record<string, Thing>;
  certificates: Record<string, Certificate>;
  enrollments: Record<string, Enrollment>;
  keys: Record<string, Key>;
  proxies: Record<string, { keyId: string; progress: string }>;
  /** Sessions that edges were told to end, by the place in the log. */
  endings: Record<string, string>;
  policies: Record<string, string>;
  pipelines: Record<string, string>;
  segments: Record<string, string>;
  issuers: Record<string, string>;
  waiting: Record<string, string>;
  expected: Record<string, Gifts & { rest: string }>;
  mirrors: Record<string, string>;
  accounts: Record<string, string>;
  people: Record<string, Person>;
  providers: Record<string, Provider>;
  /** Webhooks of events, and channels of alerts. */
  receivers: Record<string, Receiver>;
  rules: Record<string, string>;
  groups: Record<string, string>;
  campaigns: Record<string, Campaign>;
  commands: Record<string, string>;
  commandSchemas: Record<string, string>;
};

type Thing = {
  status: string;
  policies: string[];
  segment: string | null;
  attributes: Record<string, string>;
  deleted: boolean;
};
type Certificate = { thing: string; reason: string | null; suspended: boolean };
type Enrollment = Pick<Thing, 'policies' | 'segment' | 'attributes'> & {
  chosen: string[];
  again: string | null;
  revoked: boolean;
  list: string | null;
};
type Person = { name: string; role: string | null; permissions: string[]; status: string; deleted: boolean };
type Provider = { settings: { roleMapping: Record<string, string>; defaultRole?: string } };
type Receiver = { kind: string; types: string[]; rest: string };
/** `holder` is whose permissions it uses. */
type Campaign = { act: string; status: string; holder: string; began: number };
type Key = { role: string | null; permissions: string[]; flags: string[]; deleted: boolean };

/** Something that happened, and every permission that it needs by whatever route (docs/permissions.md). */
type Effect = { what: string; needs: string[] };

const roleHolds: Record<string, string[]> = {
  auditor: [
    'things',
    'certificates',
    'policies',
    'enrollments',
    'segments',
    'revocations',
    'audit',
    'keys',
    'people',
    'metrics',
    'alerts',
    'webhooks',
  ].map((of) => `${of}:read`),
  proxy: ['authorize:query', 'revocations:read', 'proxies:write'],
  edge: ['authorize:query', 'revocations:read', 'proxies:write', 'edge:follow'],
  owner: ['issuers:write', 'keys:write'],
};

/** What a key can do, by what was written down for it; of the great roles, two things that tell them apart. */
const holdings = ({ role, permissions }: Key): string[] => (role === null ? permissions : (roleHolds[role] ?? []));

const same = isDeepStrictEqual;

type Change<Row> = { id: string; was: Row | undefined; is: Row | undefined };

function changes<Row>(before: Record<string, Row>, after: Record<string, Row>): Change<Row>[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((id) => !same(before[id], after[id]))
    .map((id) => ({ id, was: before[id], is: after[id] }));
}

type Gifts = Pick<Thing, 'policies' | 'segment' | 'attributes'>;

const nothing: Gifts = { policies: [], segment: null, attributes: {} };
const needsOf = { policies: 'policies:attach', segment: 'segments:write', attributes: 'things:write' };

/** Policies, a segment, attributes: what a thing may be given, by the needs of each. */
function giving(what: string, was: Gifts, is: Gifts): Effect[] {
  return (['policies', 'segment', 'attributes'] as const)
    .filter((gift) => !same(was[gift], is[gift]))
    .map((gift) => ({ what: `${what}: ${gift}`, needs: [needsOf[gift]] }));
}

function ofThing({ id, was, is }: Change<Thing>): Effect[] {
  const effects = giving(`thing ${id}`, was ?? nothing, is ?? nothing);
  if (!was) return [...effects, { what: `thing ${id} made`, needs: ['enrollments:write'] }];
  const comeback = ['certificates:revoke', 'things:write', 'certificates:release'];
  if (was.deleted !== is!.deleted)
    effects.push({ what: `thing ${id} deleted or back`, needs: is!.deleted ? ['certificates:revoke'] : comeback });
  if (was.status === is!.status) return effects;
  const back = was.status === 'revoked' ? ['things:write', 'certificates:release'] : [];
  return [...effects, { what: `thing ${id}: ${was.status} to ${is!.status}`, needs: ['certificates:revoke', ...back] }];
}

function ofCertificate({ id, was, is }: Change<Certificate>, known: State): Effect[] {
  if (!was) {
    const isFirst = known.things[is!.thing] === undefined;
    return [
      {
        what: `certificate for ${is!.thing}`,
        needs: isFirst ? ['enrollments:write'] : ['things:write', 'certificates:revoke'],
      },
    ];
  }
  const released = is!.reason === null;
  const needs = released && !was.suspended ? 'certificates:release' : 'certificates:revoke';
  return [{ what: `certificate ${id}: ${was.reason} to ${is!.reason}`, needs: [needs] }];
}

function ofEnrollment({ id, was, is }: Change<Enrollment>): Effect[] {
  // A re-enrollment ends with the thing, and with the next one: both need this.
  const closes = was && was.again !== null && same({ ...was, revoked: true }, is);
  if (closes) return [{ what: `re-enrollment ${id} closed`, needs: ['certificates:revoke'] }];
  if (was) return [{ what: `enrollment ${id} changed`, needs: ['enrollments:write'] }];
  if (is!.again !== null)
    return [{ what: `re-enrollment of ${is!.again}`, needs: ['things:write', 'certificates:revoke'] }];
  const chosen = is!.chosen.length > 0 ? [{ what: 'attributes that a device chooses', needs: ['things:write'] }] : [];
  const made = { what: `enrollment ${id}`, needs: ['enrollments:write'] };
  return [made, ...chosen, ...giving(`enrollment ${id}`, nothing, is!)];
}

/** Whoever expects a thing, or changes what is expected, gives what it will get. */
function ofExpected({ id, was, is }: Change<State['expected'][string]>): Effect[] {
  const made = { what: `expected ${id}`, needs: ['enrollments:write'] };
  return is ? [made, ...giving(`expected ${id}`, was ?? nothing, is)] : [made];
}

function ofKey({ id, was, is }: Change<Key>): Effect[] {
  if (!was)
    return [{ what: `key ${id} made`, needs: ['keys:write', ...holdings(is!), ...is!.flags.map((f) => `flag ${f}`)] }];
  return [{ what: `key ${id} changed or deleted`, needs: ['keys:write', ...holdings(was)] }];
}

/** Whoever changes a person has what they have, before and after. */
function ofPerson({ id, was, is }: Change<Person>): Effect[] {
  const held = [was, is].flatMap((person) => (person ? holdings({ flags: [], ...person }) : []));
  return [{ what: `person ${id}`, needs: ['people:write', ...held] }];
}

function ofProvider({ id, was, is }: Change<Provider>): Effect[] {
  const given = [was, is].flatMap((each) => [
    ...Object.values(each?.settings.roleMapping ?? {}),
    ...(each?.settings.defaultRole === undefined ? [] : [each.settings.defaultRole]),
  ]);
  return [{ what: `provider ${id}`, needs: ['people:write', ...given.flatMap((role) => roleHolds[role] ?? [])] }];
}

/** Whoever says where events are told may read them, before and after. */
function ofReceiver({ id, was, is }: Change<Receiver>): Effect[] {
  const rows = [was, is].flatMap((row) => row ?? []);
  const needs = rows.flatMap(({ kind, types }) =>
    kind === 'events' ? ['webhooks:write', ...types.flatMap((type) => readsOf[type] ?? [])] : ['alerts:write'],
  );
  return [{ what: `receiver ${id}`, needs: [...new Set(needs)] }];
}

const readsOf: Record<string, string> = {
  'thing.provisioned': 'things:read',
  'thing.suspended': 'things:read',
  'audit.*': 'audit:read',
};

function ofProxy({ id, was, is }: Change<State['proxies'][string]>, mine: Set<string>): Effect[] {
  const foreign = !is && was && !mine.has(was.keyId) ? ['keys:write'] : [];
  return [{ what: `edge ${id}`, needs: ['proxies:write', ...foreign] }];
}

/** Whoever has a campaign act by their permissions has what it takes. Pausing and ending one only stops it. */
function ofCampaign({ id, was, is }: Change<Campaign>): Effect[] {
  const { act } = (is ?? was)!;
  const acts = ['attach', 'detach'].includes(act) ? ['things:write', 'policies:attach'] : ['things:write'];
  if (!was) return [{ what: `campaign ${id} made`, needs: ['things:read', ...acts] }];
  const goesOn = is!.status === 'running';
  return [{ what: `campaign ${id}: ${was.status} to ${is!.status}`, needs: goesOn ? acts : ['things:write'] }];
}

/** What became of an account between two looks; `mine` are the ids of the keys that were used. */
export function effectsBetween(before: State, after: State, mine: Set<string>): Effect[] {
  const plain = (of: keyof State, needs: string) =>
    changes<unknown>(before[of], after[of]).map(({ id }) => ({ what: `${of} ${id}`, needs: [needs] }));
  return [
    ...changes(before.things, after.things).flatMap(ofThing),
    ...changes(before.certificates, after.certificates).flatMap((change) => ofCertificate(change, before)),
    ...changes(before.enrollments, after.enrollments).flatMap(ofEnrollment),
    ...changes(before.keys, after.keys).flatMap(ofKey),
    ...changes(before.proxies, after.proxies).flatMap((change) => ofProxy(change, mine)),
    ...changes(before.people, after.people).flatMap(ofPerson),
    ...changes(before.providers, after.providers).flatMap(ofProvider),
    ...changes(before.receivers, after.receivers).flatMap(ofReceiver),
    ...changes(before.expected, after.expected).flatMap(ofExpected),
    ...changes(before.campaigns, after.campaigns).flatMap(ofCampaign),
    ...plain('groups', 'things:write'),
    ...plain('commands', 'commands:write'),
    ...plain('commandSchemas', 'commands:write'),
    ...plain('rules', 'alerts:write'),
    ...plain('endings', 'certificates:revoke'),
    ...plain('policies', 'policies:write'),
    ...plain('pipelines', 'pipelines:write'),
    ...plain('segments', 'segments:write'),
    ...plain('issuers', 'issuers:write'),
    ...plain('waiting', 'enrollments:write'),
    ...plain('mirrors', 'aws:write'),
    ...plain('accounts', 'accounts:write'),
  ];
}

/** Looks at everything of an account at once, but for good keys that `unseen` made. */
export async function readState(db: Database, account: string, unseen: string): Promise<State> {
  const [row] = await db.$queryRaw<{ state: State }[]>`
    SELECT jsonb_build_object(
      'things', (SELECT COALESCE(jsonb_object_agg(name, jsonb_build_object('status', status, 'policies', policies, 'segment', segment,
        'attributes', attributes, 'deleted', deleted_at IS NOT NULL)), '{}') FROM things WHERE account_name = ${account} AND former_name IS NULL),
      'certificates', (SELECT COALESCE(jsonb_object_agg(c.serial_number, jsonb_build_object('thing', COALESCE(t.former_name, t.name), 'reason', c.reason,
        'suspended', c.held_by_suspension)), '{}') FROM certificates c JOIN things t ON t.id = c.thing_id WHERE c.account_name = ${account}),
      'enrollments', (SELECT COALESCE(jsonb_object_agg(e.id, jsonb_build_object('policies', e.policies, 'segment', e.segment,
        'attributes', e.attributes, 'chosen', e.device_attributes, 'again', e.reenrolls_thing_id, 'revoked', e.revoked_at IS NOT NULL,
        'list', (SELECT encode(m.crl_sha256, 'hex') FROM manufacturers m WHERE m.enrollment_id = e.id))), '{}')
        FROM enrollments e WHERE e.account_name = ${account}),
      'keys', (SELECT jsonb_object_agg(id, jsonb_build_object('role', role, 'permissions', permissions, 'deleted', deleted_at IS NOT NULL, 'said', concat(name, description, expires_at),
        'flags', to_jsonb(array_remove(ARRAY[CASE WHEN bearer THEN 'bearer' END, CASE WHEN enforces_crl THEN 'enforcesCrl' END,
        CASE WHEN follows_feed THEN 'followsFeed' END, CASE WHEN in_url THEN 'inUrl' END], NULL)))) FROM api_keys
        WHERE account_name = ${account} AND (created_by <> ${unseen} OR deleted_at IS NOT NULL)),
      'proxies', (SELECT COALESCE(jsonb_object_agg(id, jsonb_build_object('keyId', key_id, 'progress', concat(incarnation, applied, sessions, session_count,
        (SELECT signal FROM sites s WHERE s.proxy_id = proxies.id)))), '{}')
        FROM proxies WHERE account_name = ${account}),
      'endings', (SELECT COALESCE(jsonb_object_agg(position, payload->>'id'), '{}') FROM log_entries WHERE account_name = ${account} AND type = 'session'),
      'policies', (SELECT jsonb_object_agg(p.name, concat(p.active_version, ' of ', (SELECT count(*) FROM policy_versions v
        WHERE v.account_name = p.account_name AND v.name = p.name))) FROM policies p WHERE p.account_name = ${account}),
      'pipelines', (SELECT COALESCE(jsonb_object_agg(p.name, concat(p.active_version, ' of ', (SELECT count(*) FROM pipeline_versions v
        WHERE v.account_name = p.account_name AND v.name = p.name))), '{}') FROM pipelines p WHERE p.account_name = ${account}),
      'segments', (SELECT COALESCE(jsonb_object_agg(name, to_jsonb(s)::text), '{}') FROM segments s WHERE account_name = ${account}),
      'issuers', (SELECT jsonb_object_agg(id, concat(status, list_superseded, shards, delta_list, list_max_age)) FROM issuers WHERE account_name = ${account}),
      'waiting', (SELECT COALESCE(jsonb_object_agg(id, status), '{}') FROM waiting_devices WHERE account_name = ${account}),
      'expected', (SELECT COALESCE(jsonb_object_agg(name, jsonb_build_object('policies', policies, 'segment', segment, 'attributes', attributes,
        'rest', concat(thing_type, key_sha256, code_hash, used_at))), '{}') FROM expected_things WHERE account_name = ${account}),
      'mirrors', (SELECT COALESCE(jsonb_object_agg(account_name, mode), '{}') FROM aws_mirrors WHERE account_name = ${account}),
      'people', (SELECT COALESCE(jsonb_object_agg(id, jsonb_build_object('name', name, 'role', role, 'permissions', permissions, 'status', status,
        'deleted', deleted_at IS NOT NULL)), '{}') FROM people WHERE account_name = ${account}),
      'providers', (SELECT COALESCE(jsonb_object_agg(id, jsonb_build_object('settings', settings, 'issuer', issuer)), '{}') FROM sign_in_providers WHERE account_name = ${account}),
      'receivers', (SELECT COALESCE(jsonb_object_agg(id, jsonb_build_object('kind', kind, 'types', types, 'rest', concat(name, url, enabled, recipients))), '{}')
        FROM receivers WHERE account_name = ${account}),
      'rules', (SELECT COALESCE(jsonb_object_agg(id, concat(name, metric, condition, threshold, enabled, channels)), '{}') FROM alert_rules WHERE account_name = ${account}),
      'groups', (SELECT COALESCE(jsonb_object_agg(name, query::text), '{}') FROM groups WHERE account_name = ${account}),
      'campaigns', (SELECT COALESCE(jsonb_object_agg(id, jsonb_build_object('act', act, 'status', status, 'holder', holder, 'began', changes)), '{}')
        FROM campaigns WHERE account_name = ${account}),
      'commands', (SELECT COALESCE(jsonb_object_agg(id, name), '{}') FROM commands WHERE account_name = ${account}),
      'commandSchemas', (SELECT COALESCE(jsonb_object_agg(id, name), '{}') FROM command_schemas WHERE account_name = ${account}),
      'accounts', (SELECT jsonb_object_agg(name, status) FROM accounts WHERE name <> 'default')) AS state`;
  return row!.state;
}
