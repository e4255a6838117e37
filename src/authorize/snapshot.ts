import { LRUCache } from 'lru-cache';
import type { EntryOf, LogEntry } from '../log/entries.js';
import { compilePolicy, type CompiledPolicies, type CompiledPolicy, type PolicyVersion } from '../policy/compile.js';
import { weightOf } from '../policy/weight.js';
import { compileSegment, type CompiledSegment, type Segment } from './segment.js';

/** What the log says of a thing, or of its certificates, within the time that anything issued before may live. */
export type ThingChange = {
  /** Of the last entry about the thing. */
  position: number;
  at: Date;
  /** The thing that has the name, once the log reported it; the next three are about that one alone. */
  thingId?: string | undefined;
  status?: string;
  gen?: number;
  minGen?: number;
  /** Its present values, once they changed. */
  rights?: ThingRights;
};

/** What decides the rights of a thing. */
export type ThingRights = {
  attributes: Readonly<Record<string, string>>;
  policies: readonly string[];
  segment: string | null;
};

/** Why a certificate is no longer valid; a release clears it. */
type CertificateChange = { at: Date; reason: string | undefined };

/** The active policies under some names. It holds no more than the names: each version is compiled once for all sets. */
export type PolicySet = {
  readonly account: string;
  readonly names: readonly string[];
  readonly key: string;
  /** What the names stand for, until one of them changes. */
  compiled: CompiledPolicies | undefined;
};

/** What a load of the database brings. */
export type SnapshotContents = {
  policies: (PolicyVersion & { account: string })[];
  segments: (Segment & { account: string })[];
  /** Entries about things and certificates that tokens may not know of. */
  recent: LogEntry[];
};

export type Snapshot = ReturnType<typeof createSnapshot>;

type Account = {
  policies: Map<string, ActivePolicy>;
  segments: Map<string, CompiledSegment>;
  /** One object for equal names, while they are asked about. */
  sets: LRUCache<string, PolicySet>;
};

type ActivePolicy = PolicyVersion & { weight: number; compiled: CompiledPolicy | undefined };

const mostSets = 1000;

/** How long the log is remembered about things: longer than an access token lives, and than it takes to issue one. */
export const memorySeconds = 1800;

/** The name of a thing among all accounts. */
export const thingKey = (account: string, name: string): string => `${account}/${name}`;

/**
 * What decisions are made from: the log, reduced to what still matters. It grows with change, not with the
 * number of things: everything else about a thing travels in its token or comes from the registry.
 */
export function createSnapshot() {
  let accounts = new Map<string, Account>();
  let things = new Map<string, ThingChange>();
  let certificates = new Map<string, CertificateChange>();

  const accountOf = (name: string): Account => {
    const known = accounts.get(name);
    if (known) return known;
    const fresh: Account = {
      policies: new Map(),
      segments: new Map(),
      sets: new LRUCache({ max: mostSets, dispose: forget }),
    };
    accounts.set(name, fresh);
    return fresh;
  };

  const changeThing = (
    { account, payload, position, at }: EntryOf<'certificate' | 'release' | 'thing' | 'thing-changed'>,
    change: Partial<ThingChange> = {},
  ): void => {
    const key = thingKey(account, payload.thingName);
    const known = things.get(key);
    // What was said of a thing is not said of the next of its name.
    const isAnother = change.gen === 0 || (change.thingId !== undefined && change.thingId !== known?.thingId);
    const before = isAnother ? undefined : known;
    // Set again, so that the map stays in order of the last change.
    things.delete(key);
    things.set(key, { ...before, ...change, position, at });
  };

  const changeCertificate = (entry: EntryOf<'certificate' | 'release'>, reason: string | undefined): void => {
    const { fingerprint } = entry.payload;
    certificates.delete(fingerprint);
    certificates.set(fingerprint, { at: entry.at, reason });
    changeThing(entry);
  };

  const activate = (account: string, policy: PolicyVersion): void => {
    const { policies, sets } = accountOf(account);
    // A policy without statements was deleted.
    if (policy.document.statements.length === 0) policies.delete(policy.name);
    else policies.set(policy.name, { ...policy, weight: weightOf(policy.document), compiled: undefined });
    // INVARIANT: no set keeps what is no longer active, and no set that is not here keeps anything.
    for (const set of sets.values()) if (set.names.includes(policy.name)) forget(set);
  };

  const policiesOf = ({ account, names }: PolicySet): ActivePolicy[] => {
    const { policies } = accountOf(account);
    return names.flatMap((name) => policies.get(name) ?? []);
  };

  const apply = (entry: LogEntry): void => {
    const { account } = entry;
    switch (entry.type) {
      case 'certificate':
        return changeCertificate(entry, entry.payload.reason);
      case 'release':
        return changeCertificate(entry, undefined);
      case 'thing': {
        const { thingId, status, gen, minGen } = entry.payload;
        // A name that is free again has no thing.
        return changeThing(entry, { thingId: gen === 0 ? undefined : thingId, status, gen, minGen });
      }
      case 'thing-changed': {
        const { thingId, gen, attributes, policies, segment } = entry.payload;
        return changeThing(entry, { thingId, gen, rights: { attributes, policies, segment } });
      }
      case 'policy':
        return activate(account, entry.payload);
      case 'segment': {
        const { name, segment } = entry.payload;
        if (segment) accountOf(account).segments.set(name, compileSegment(segment));
        else accountOf(account).segments.delete(name);
        return;
      }
      case 'token-family':
      case 'key':
      case 'issuer':
      case 'token-keys':
      case 'account':
      case 'session':
      case 'command':
      case 'pipeline':
      case 'person':
      case 'authority':
      case 'unknown':
        return;
    }
  };

  return {
    apply,

    /** Replaces everything. */
    load({ policies, segments, recent }: SnapshotContents): void {
      for (const { sets } of accounts.values()) sets.clear();
      accounts = new Map();
      things = new Map();
      certificates = new Map();
      for (const { account, ...policy } of policies) activate(account, policy);
      for (const { account, ...segment } of segments)
        accountOf(account).segments.set(segment.name, compileSegment(segment));
      recent.forEach(apply);
    },

    /** Forgets what changed before an instant, which nothing still alive can contradict. */
    prune(before: Date): void {
      for (const [key, { at }] of things) if (at < before) things.delete(key);
      for (const [fingerprint, { at }] of certificates) if (at < before) certificates.delete(fingerprint);
    },

    /** What changed about a thing recently, by its {@link thingKey}. */
    changeOf: (key: string): ThingChange | undefined => things.get(key),

    /** Why a certificate that was live recently is no longer, or that it is again. */
    certificateChange: (fingerprint: string): CertificateChange | undefined => certificates.get(fingerprint),

    segment: (account: string, name: string): CompiledSegment | undefined => accounts.get(account)?.segments.get(name),

    /** The set of an account's policies under these names, in their order, each once. */
    policySet(account: string, names: readonly string[]): PolicySet {
      const { sets } = accountOf(account);
      const distinct = [...new Set(names)];
      const key = distinct.join(' ');
      const known = sets.get(key);
      if (known) return known;
      const set = { account, names: distinct, key, compiled: undefined };
      sets.set(key, set);
      return set;
    },

    compiled(set: PolicySet): CompiledPolicies {
      if (set.compiled) return set.compiled;
      const { sets } = accountOf(set.account);
      // It may have been dropped meanwhile, and another one made for the same names.
      const kept = sets.get(set.key) ?? set;
      if (kept === set) sets.set(set.key, set);
      return (kept.compiled ??= policiesOf(set).map((policy) => (policy.compiled ??= compilePolicy(policy))));
    },

    /** What there is to look through in a set, as in docs/limits.md. */
    weightOf: (set: PolicySet): number => policiesOf(set).reduce((sum, { weight }) => sum + weight, 0),

    /** The active versions of a set. */
    documents: (set: PolicySet): PolicyVersion[] => policiesOf(set),

    /** What the active policies of an account come to, one of them apart. */
    held(account: string, name: string): { others: number; weight: number; own: number } {
      const policies = [...(accounts.get(account)?.policies.values() ?? [])];
      const others = policies.filter((policy) => policy.name !== name);
      const weight = others.reduce((sum, policy) => sum + policy.weight, 0);
      const own = accounts.get(account)?.policies.get(name)?.weight ?? 0;
      return { others: others.length, weight, own };
    },

    /** How much is held, for metrics and benchmarks. */
    size: () => {
      const held = [...accounts.values()];
      return {
        things: things.size,
        certificates: certificates.size,
        accounts: accounts.size,
        policySets: held.reduce((sum, { sets }) => sum + sets.size, 0),
        compiledPolicies: held.reduce((sum, { policies }) => sum + compiledIn(policies), 0),
      };
    },
  };
}

function compiledIn(policies: Map<string, ActivePolicy>): number {
  return [...policies.values()].filter(({ compiled }) => compiled !== undefined).length;
}

function forget(set: PolicySet): void {
  set.compiled = undefined;
}
