import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.js';
import { createPrincipal, type Principal } from '../policy/variables.js';
import { thingKey, type PolicySet, type Snapshot, type ThingRights } from './snapshot.js';
import type { PrincipalStore, RegisteredPrincipal } from './store.js';

/** What decides the rights of a thing, ready to be asked. */
export type Rights = { principal: Principal; policies: PolicySet; segment: string | null };

/** A thing as the registry had it at a position of the log. */
export type KnownPrincipal = {
  key: string;
  thingId: string;
  account: string;
  name: string;
  status: string;
  rights: Rights;
  notAfter: number;
  reason: string | null;
  otherRevoked: boolean;
  position: number;
};

/** The holder of an access token, as the token says. */
export type TokenPrincipal = {
  key: string;
  thingId: string;
  account: string;
  name: string;
  type: string | undefined;
  gen: number;
  /** Milliseconds. */
  expiresAt: number;
  /** Lower-case hex. */
  fingerprint: string;
  rights: Rights;
  /** The rights of today, when the thing changed since. */
  present: { position: number; rights: Rights } | undefined;
};

type Deps = {
  store: PrincipalStore;
  snapshot: Snapshot;
  position(): number;
  clock: Clock;
  verifyToken(token: string): Record<string, unknown> | undefined;
  cacheSize: { tokens: number; things: number };
};

// Changes are dropped by the log; this bounds what the log does not tell: a newer certificate that was never used.
const rememberMs = 60_000;

export type Principals = ReturnType<typeof createPrincipals>;

/** Finds who is asked about: by token without the registry, by certificate or name from it, with bounded memories of both. */
export function createPrincipals({ store, snapshot, position, clock, verifyToken, cacheSize }: Deps) {
  const tokens = new LRUCache<string, TokenPrincipal>({ max: cacheSize.tokens });
  const known = new LRUCache<string, KnownPrincipal>({ max: cacheSize.things, ttl: rememberMs, ttlResolution: 1000 });
  // Rises when the log becomes another one: what was read before it has a position of the old one.
  let history = 0;
  const loading = new Map<string, { position: number; principal: Promise<KnownPrincipal | undefined> }>();

  const toKnown = (row: RegisteredPrincipal, at: number): KnownPrincipal => {
    const { thingId, account, name, status, type, serialNumber, notAfter, reason, otherRevoked } = row;
    const rights = toRights(account, name, type ?? undefined, row, serialNumber);
    const key = thingKey(account, name);
    return {
      key,
      thingId,
      account,
      name,
      status,
      rights,
      notAfter: notAfter.getTime(),
      reason,
      otherRevoked,
      position: at,
    };
  };

  const toRights = (
    account: string,
    name: string,
    type: string | undefined,
    { attributes, policies, segment }: ThingRights,
    serialNumber: string | undefined,
  ): Rights => ({
    principal: createPrincipal({
      account,
      thing: { name, type, attributes },
      ...(serialNumber === undefined ? {} : { certificate: { serialNumber } }),
    }),
    policies: snapshot.policySet(account, policies),
    segment,
  });

  const load = (key: string, read: () => Promise<RegisteredPrincipal | undefined>) => {
    const [at, of] = [position(), history];
    const joined = loading.get(key);
    // Whoever joins a reading must not have been told of anything that it may lack.
    if (joined?.position === at) return joined.principal;
    const principal = read().then((row) => {
      const found = row && toKnown(row, at);
      if (found && of === history) known.set(key, found);
      return found;
    });
    loading.set(key, { position: at, principal });
    const forget = () => {
      if (loading.get(key)?.principal === principal) loading.delete(key);
    };
    principal.then(forget, forget);
    return principal;
  };

  /** What is remembered, unless the thing changed since it was read. */
  const remembered = (key: string): KnownPrincipal | undefined => {
    const found = known.get(key);
    if (!found) return undefined;
    const change = snapshot.changeOf(found.key);
    return change && change.position > found.position ? undefined : found;
  };

  return {
    /** The holder of a token that one of our keys signed; undefined for any other. Nothing else about it is judged. */
    byToken(token: string): TokenPrincipal | undefined {
      const cached = tokens.get(token);
      if (cached) return cached;
      const claims = verifyToken(token);
      const principal = claims && readClaims(claims as Claims, toRights);
      if (principal) tokens.set(token, principal);
      return principal;
    },

    /** The rights of a token's holder today, and whether the token is behind them. */
    presentRights(token: TokenPrincipal): Rights {
      const change = snapshot.changeOf(token.key);
      if (!change?.rights || change.gen === undefined || change.gen <= token.gen) return token.rights;
      if (token.present?.position !== change.position) {
        const rights = toRights(
          token.account,
          token.name,
          token.type,
          change.rights,
          token.rights.principal.serialNumber,
        );
        token.present = { position: change.position, rights };
      }
      return token.present.rights;
    },

    /** The holder of a certificate. A promise when the registry has to be asked. */
    byFingerprint: (fingerprint: string): KnownPrincipal | Promise<KnownPrincipal | undefined> =>
      remembered(fingerprint) ?? load(fingerprint, () => store.byFingerprint(fingerprint)),

    /** A thing by its name. A promise when the registry has to be asked. */
    byName(account: string, name: string): KnownPrincipal | Promise<KnownPrincipal | undefined> {
      const key = thingKey(account, name);
      return remembered(key) ?? load(key, () => store.byName(account, name, clock()));
    },

    /** Things of an account in the order of their names, after one, as the registry has them now; remembered nowhere. */
    async page(account: string, after: string, limit: number): Promise<{ name: string; known?: KnownPrincipal }[]> {
      const at = position();
      const rows = await store.page(account, after, limit, clock());
      return rows.map((row) => (isCertified(row) ? { name: row.name, known: toKnown(row, at) } : { name: row.name }));
    },

    /** Forgets everything: what the log tells no longer follows what was remembered. */
    clear(): void {
      history++;
      tokens.clear();
      known.clear();
      loading.clear();
    },
  };
}

/** Whether a thing has a certificate. */
function isCertified(row: { fingerprint: string | null }): row is RegisteredPrincipal {
  return row.fingerprint !== null;
}

type Claims = {
  sub: string;
  tid: string;
  account: string;
  exp: number;
  gen: number;
  policies: string[];
  vars: { attributes: Record<string, string>; type?: string; segment?: string; serialNumber?: string };
  cnf: { 'x5t#S256': string };
};

/** What one of our own tokens says; its signature proves its form. */
function readClaims(
  { sub, tid, account, exp, gen, policies, vars, cnf }: Claims,
  toRights: (account: string, name: string, type: string | undefined, rights: ThingRights, serial?: string) => Rights,
): TokenPrincipal {
  const { attributes, type, segment = null, serialNumber } = vars;
  return {
    key: thingKey(account, sub),
    thingId: tid,
    account,
    name: sub,
    type,
    gen,
    expiresAt: exp * 1000,
    fingerprint: Buffer.from(cnf['x5t#S256'], 'base64url').toString('hex'),
    rights: toRights(account, sub, type, { attributes, policies, segment }, serialNumber),
    present: undefined,
  };
}
