import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { reasonCodes, type RevocationReason } from '../pki/crl.js';
import type { PolicyDocument } from '../policy/document.js';

/**
 * What the log says. This file is pure: whoever follows the log, with a database or without one, reads it.
 *
 * Members stand in the order in which `jsonb` returns them (by length, then by bytes), so that views spell them in one order.
 *
 * A new type must be one that the version before can ignore, because both run at once during an upgrade: there it is `unknown`
 * and changes nothing. What takes a right away must therefore also be said in an entry of a type that version knows.
 * An entry of a known type that cannot be read stops its reader: nobody guesses what was revoked.
 */
const reasons = Object.keys(reasonCodes) as [RevocationReason, ...RevocationReason[]];
const optionalText = z.string().optional();
/** A certificate as lists need it. Times are RFC 3339. */
const certificate = {
  index: z.int(),
  /** The shard whose list names it, or `external` when no list does; absent for the complete list. */
  scope: optionalText,
  issuer: z.string(),
  notAfter: z.iso.datetime(),
  /** Where in the log it was revoked before. */
  replaces: z.int().optional(),
  thingName: z.string(),
  fingerprint: z.string(),
  serialNumber: z.string(),
};

const payloads = {
  /** A certificate is revoked, or its reason is another now. A reason of a later version still revokes. */
  certificate: z.object({
    ...certificate,
    reason: z.enum(reasons).catch('unspecified'),
    /** The time of its first revocation, where that was earlier than the entry. */
    revokedAt: z.iso.datetime().optional(),
  }),
  /** A hold has ended. */
  release: z.object(certificate),
  /** What the thing of a name is now. Generation 0 says that the name no longer has a thing. */
  thing: z.object({
    gen: z.int(),
    minGen: z.int(),
    status: z.string(),
    thingId: z.string(),
    thingName: z.string(),
  }),
  /** The present values that decide the rights of a thing. */
  'thing-changed': z.object({
    gen: z.int(),
    segment: z.string().nullable().default(null),
    thingId: z.string(),
    policies: z.array(z.string()),
    thingName: z.string(),
    attributes: z.record(z.string(), z.string()),
  }),
  /** A line of refresh tokens has ended. */
  'token-family': z.object({ family: z.string(), thingName: z.string() }),
  /** A version of a policy is the active one. */
  policy: z.object({ name: z.string(), version: z.int(), document: z.custom<PolicyDocument>(isDocument) }),
  /** What decisions need of a segment; null when it is deleted. */
  segment: z.object({
    name: z.string(),
    segment: z
      .object({
        name: z.string(),
        cidr: z.string(),
        allowedProtocols: z.array(z.string()),
        trafficPolicy: z.custom<object>(isObject),
      })
      .nullable(),
  }),
  /** A key was deleted, which `id` names, or the status of an account changed, which `account` names. */
  key: z.object({ id: optionalText, status: z.string(), account: optionalText }),
  /** An authority has other settings, or orphans of a restored backup. */
  issuer: z.object({
    issuer: z.string(),
    shards: z.int().optional(),
    deltaList: z.boolean().optional(),
    listMaxAge: z.int().optional(),
    listSuperseded: z.boolean().optional(),
    distributionPoint: z.boolean().optional(),
  }),
  /**
   * Keys of access tokens that came, and those that go, for edges. The version before ignores it and reads the table of keys,
   * and an edge that misses it denies: a key is published ten minutes before it signs.
   */
  'token-keys': z.object({
    came: z.array(z.looseObject({ kid: z.string(), alg: z.string(), kty: z.string() })),
    went: z.array(z.object({ kid: z.string(), retiresAt: z.iso.datetime() })),
  }),
  /**
   * What an account is now, for edges. A suspension is also an entry `key`, which the version before knows: there that
   * one ends everything.
   */
  account: z.object({ status: z.string(), settings: z.record(z.string(), z.json()) }),
  /** One session at an edge has to end; its device may come back, so the version before loses no refusal. */
  session: z.object({ id: z.string(), thingName: z.string() }),
  /**
   * A person, their role or their ways in changed, or one of their sessions, which `session` names, ended: what is remembered of
   * their sessions is judged again. The version before has no people and remembers nothing of them.
   */
  person: z.object({ id: z.string(), session: optionalText }),
  /**
   * An authority can issue from now on, for edges: PEM, its certificate and those above it. The version before ignores it and reads all
   * authorities again, because of an entry `issuer` beside it or of the first certificate that it does not know.
   */
  authority: z.object({ chain: z.string(), issuer: z.string() }),
  /** A command waits for a thing, for edges that hold a session of it. The version before loses nothing that takes a right away. */
  command: z.object({ id: z.string(), thingName: z.string() }),
  /** Another version of a pipeline is active, for edges; null where none is. The version before runs no pipelines. */
  pipeline: z.object({
    name: z.string(),
    pipeline: z
      .object({ name: z.string(), version: z.int(), document: z.custom<{ name: string }>(isObject) })
      .nullable(),
  }),
};

/** The types that this version knows, and that the database accepts. */
export const logEntryTypes = Object.keys(payloads);

const place = {
  position: z.union([z.int(), z.bigint().transform(Number)]),
  at: z.union([z.date(), z.iso.datetime().transform((text) => new Date(text))]),
  account: z.string(),
};

const entryOf = <Type extends keyof typeof payloads>(type: Type) =>
  z.object({ ...place, type: z.literal(type), payload: payloads[type] });

const known = z.discriminatedUnion('type', [
  entryOf('certificate'),
  entryOf('release'),
  entryOf('thing'),
  entryOf('thing-changed'),
  entryOf('token-family'),
  entryOf('policy'),
  entryOf('segment'),
  entryOf('key'),
  entryOf('issuer'),
  entryOf('token-keys'),
  entryOf('account'),
  entryOf('session'),
  entryOf('person'),
  entryOf('authority'),
  entryOf('command'),
  entryOf('pipeline'),
]);

const unknown = z
  .object({ ...place, type: z.string().refine((type) => !Object.hasOwn(payloads, type)) })
  .transform(({ type, ...rest }) => ({ ...rest, type: 'unknown' as const, payload: { named: type } }));

type KnownEntry = z.output<typeof known>;
type Unplaced<Entry> = Entry extends unknown ? Omit<Entry, 'position' | 'at'> : never;

/** The kinds of entries that others follow. */
export type LogEntryType = KnownEntry['type'];

/** An entry that is not in the log yet. */
export type NewLogEntry = Unplaced<KnownEntry>;

/** An entry of the log, as every follower reads it. `unknown` is what a later version wrote: `payload.named` is its type. */
export type LogEntry = KnownEntry | z.output<typeof unknown>;

/** An entry of one type. */
export type EntryOf<Type extends LogEntry['type']> = Extract<LogEntry, { type: Type }>;

/**
 * Reads an entry, from a row of the database or from JSON. Members that this version does not know are left out.
 * @throws Error for an entry of a known type without the shape of that type
 */
export function parseEntry(input: unknown): LogEntry {
  const read = known.safeParse(input);
  if (read.success) return read.data;
  const other = unknown.safeParse(input);
  if (other.success) return other.data;
  const [issue] = read.error.issues;
  const { position, type } = (input ?? {}) as { position?: unknown; type?: unknown };
  throw new Error(
    `the entry ${String(position)} of the log, of type ${String(type)}, cannot be read: ${issue!.path.join('.')}: ${issue!.message}`,
  );
}

/**
 * An entry as the feed shows it: for each type the members that are named here, and no others. Documents and attributes stay
 * inside: a follower drops what an entry names. Of a type that this version does not know only the place is shown.
 */
export function followerView(entry: LogEntry) {
  const { type, payload } = entry;
  const place = { position: entry.position, at: rfc3339(entry.at) };
  switch (type) {
    case 'certificate':
      return { ...place, type, ...pick(payload, shownOfCertificate) };
    case 'release':
      return { ...place, type, ...pick(payload, shownOfRelease) };
    case 'thing':
      return { ...place, type, ...pick(payload, ['gen', 'minGen', 'status', 'thingId', 'thingName']) };
    case 'thing-changed': {
      const segment = payload.segment === null ? {} : { segment: payload.segment };
      return { ...place, type, ...pick(payload, ['gen', 'thingId', 'thingName']), ...segment };
    }
    case 'token-family':
      return { ...place, type, ...pick(payload, ['family', 'thingName']) };
    case 'policy':
      return { ...place, type, ...pick(payload, ['name', 'version']) };
    case 'segment':
      return { ...place, type, ...pick(payload, ['name']) };
    case 'key':
      return { ...place, type, ...pick(payload, ['id', 'status', 'account']) };
    case 'issuer':
      return { ...place, type, ...pick(payload, ['issuer', ...settingsOfIssuer]) };
    case 'token-keys':
    case 'account':
    case 'session':
    case 'person':
    case 'authority':
    case 'command':
    case 'pipeline':
      return { ...place, type };
    case 'unknown':
      return { ...place, type: payload.named };
  }
}

/** What nobody outside is shown: it is for the instances alone. */
export const innerTypes = ['person'] as const satisfies LogEntryType[];

/** What only edges are shown: the feed leaves these out, as if they were of another account. */
export const edgeTypes = [
  'token-keys',
  'account',
  'session',
  'authority',
  'command',
  'pipeline',
] as const satisfies LogEntryType[];

/** Whether an entry is for the instances alone. */
export function isInner({ type }: LogEntry): boolean {
  return innerTypes.some((each) => each === type);
}

/** What the feed leaves out. */
export const hiddenTypes: readonly LogEntryType[] = [...edgeTypes, ...innerTypes];

/** Whether an entry is for edges alone. */
export function isForEdges({ type }: LogEntry): boolean {
  return edgeTypes.some((each) => each === type);
}

const shownOfRelease = [
  'index',
  'scope',
  'issuer',
  'notAfter',
  'replaces',
  'thingName',
  'fingerprint',
  'serialNumber',
] as const;

const shownOfCertificate = [
  'index',
  'scope',
  'issuer',
  'reason',
  'notAfter',
  'replaces',
  'revokedAt',
  'thingName',
  'fingerprint',
  'serialNumber',
] as const;

/** Stands in an entry `person` for all people of its account. */
export const everybody = '*';

/** What an operator sets about the lists of an issuer. */
export const settingsOfIssuer = ['shards', 'deltaList', 'listMaxAge', 'listSuperseded', 'distributionPoint'] as const;

/** What followers are shown. */
export type FollowerEntry = ReturnType<typeof followerView>;

/** These members of an object, in this order, as far as it has them. */
export function pick<Source extends object, Member extends keyof Source>(source: Source, members: readonly Member[]) {
  const picked: Partial<Pick<Source, Member>> = {};
  for (const member of members) if (source[member] !== undefined) picked[member] = source[member];
  return picked as Pick<Source, Member>;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function isDocument(value: unknown): boolean {
  return isObject(value) && Array.isArray((value as { statements?: unknown }).statements);
}
