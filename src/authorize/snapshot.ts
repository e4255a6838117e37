import type { LogEntry } from '../log/reader.js';
import { compilePolicies, type CompiledPolicies, type PolicyVersion } from '../policy/compile.js';
import { compileSegment, type CompiledSegment, type Segment } from './segment.js';

/** What the log says of a thing, or of its certificates, within the time that anything issued before may live. */
export type ThingChange = {
  /** Of the last entry about the thing. */
  position: number;
  at: Date;
  status?: string;
  gen?: number;
  minGen?: number;
  /** Its present values, once they changed. */
  rights?: ThingRights;
};

export type ThingRights = {
  attributes: Readonly<Record<string, string>>;
  policies: readonly string[];
  segment: string | null;
};

/** Why a certificate is no longer good; a release clears it. */
export type CertificateChange = { at: Date; reason: string | undefined };

/** The active policies under some names, compiled when first asked for, and again after one of them changed. */
export type PolicySet = {
  readonly account: string;
  readonly names: readonly string[];
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
  policies: Map<string, PolicyVersion>;
  segments: Map<string, CompiledSegment>;
  sets: Map<string, PolicySet>;
};

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
    const fresh: Account = { policies: new Map(), segments: new Map(), sets: new Map() };
    accounts.set(name, fresh);
    return fresh;
  };

  const changeThing = ({ account, payload, position, at }: LogEntry, change: Partial<ThingChange> = {}): void => {
    const key = thingKey(account, payload['thingName'] as string);
    const before = things.get(key);
    // Set anew, so that the map stays in order of the last change.
    things.delete(key);
    things.set(key, { ...before, ...change, position, at });
  };

  const changeCertificate = (entry: LogEntry, reason: string | undefined): void => {
    const fingerprint = entry.payload['fingerprint'] as string;
    certificates.delete(fingerprint);
    certificates.set(fingerprint, { at: entry.at, reason });
    changeThing(entry);
  };

  const activate = (account: string, policy: PolicyVersion): void => {
    const { policies, sets } = accountOf(account);
    policies.set(policy.name, policy);
    for (const set of sets.values()) if (set.names.includes(policy.name)) set.compiled = undefined;
  };

  const apply = (entry: LogEntry): void => {
    const { account, payload } = entry;
    switch (entry.type) {
      case 'certificate':
        return changeCertificate(entry, payload['reason'] as string);
      case 'release':
        return changeCertificate(entry, undefined);
      case 'thing': {
        const { status, gen, minGen } = payload as { status: string; gen: number; minGen: number };
        return changeThing(entry, { status, gen, minGen });
      }
      case 'thing-changed': {
        const { gen, attributes, policies, segment } = payload as { gen: number } & ThingRights;
        return changeThing(entry, { gen, rights: { attributes, policies, segment: segment ?? null } });
      }
      case 'policy':
        return activate(account, payload as PolicyVersion);
      case 'segment': {
        const { name, segment } = payload as { name: string; segment: Segment | null };
        if (segment) accountOf(account).segments.set(name, compileSegment(segment));
        else accountOf(account).segments.delete(name);
        return;
      }
      case 'token-family':
      case 'key':
      case 'issuer':
        return;
    }
  };

  return {
    apply,

    /** Replaces everything. */
    load({ policies, segments, recent }: SnapshotContents): void {
      accounts = new Map();
      things = new Map();
      certificates = new Map();
      for (const { account, ...policy } of policies) accountOf(account).policies.set(policy.name, policy);
      for (const { account, ...segment } of segments)
        accountOf(account).segments.set(segment.name, compileSegment(segment));
      recent.forEach(apply);
    },

    /** Forgets what changed before an instant, which nothing still alive can contradict. */
    prune(before: Date): void {
      for (const [key, { at }] of things) if (at < before) things.delete(key);
      for (const [fingerprint, { at }] of certificates) if (at < before) certificates.delete(fingerprint);
    },

    /** What changed about a thing lately, by its {@link thingKey}. */
    changeOf: (key: string): ThingChange | undefined => things.get(key),

    /** Why a certificate that was live lately is no longer, or that it is again. */
    certificateChange: (fingerprint: string): CertificateChange | undefined => certificates.get(fingerprint),

    segment: (account: string, name: string): CompiledSegment | undefined => accounts.get(account)?.segments.get(name),

    /** The set of an account's policies under these names; one object for equal names, to be kept. */
    policySet(account: string, names: readonly string[]): PolicySet {
      const { sets } = accountOf(account);
      const key = names.join(' ');
      const known = sets.get(key);
      if (known) return known;
      const set = { account, names, compiled: undefined };
      sets.set(key, set);
      return set;
    },

    compiled(set: PolicySet): CompiledPolicies {
      return (set.compiled ??= compilePolicies(
        set.names.flatMap((name) => accountOf(set.account).policies.get(name) ?? []),
      ));
    },

    /** The active versions of a set. */
    documents: ({ account, names }: PolicySet): PolicyVersion[] =>
      names.flatMap((name) => accountOf(account).policies.get(name) ?? []),

    /** The active version of a policy. */
    policy: (account: string, name: string): PolicyVersion | undefined => accounts.get(account)?.policies.get(name),

    /** How much is held, for metrics and benchmarks. */
    size: () => ({ things: things.size, certificates: certificates.size, accounts: accounts.size }),
  };
}
