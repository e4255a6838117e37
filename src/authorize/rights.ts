import { createPrincipal, type Principal } from '../policy/variables.js';
import { thingKey, type PolicySet, type Snapshot, type ThingRights } from './snapshot.js';

/** What decides the rights of a thing, ready to be asked. */
export type Rights = { principal: Principal; policies: PolicySet; segment: string | null };

/** A thing with one of its certificates, as the registry has them. */
export type RegisteredPrincipal = {
  thingId: string;
  account: string;
  name: string;
  type: string | null;
  attributes: Record<string, string>;
  policies: string[];
  segment: string | null;
  status: string;
  fingerprint: string;
  serialNumber: string;
  notAfter: Date;
  reason: string | null;
  /** True when another unexpired certificate of the name, of this thing or one before it, was revoked for more than being superseded. */
  otherRevoked: boolean;
};

/** A thing as the registry had it at a position of the log. */
export type KnownPrincipal = {
  kind: 'known';
  key: string;
  thingId: string;
  account: string;
  name: string;
  status: string;
  rights: Rights;
  /** Milliseconds since 1970. */
  notAfter: number;
  reason: string | null;
  otherRevoked: boolean;
  position: number;
};

/** The holder of an access token, as the token says. */
export type TokenPrincipal = {
  kind: 'token';
  key: string;
  thingId: string;
  account: string;
  name: string;
  type: string | undefined;
  gen: number;
  /** Milliseconds since 1970. */
  expiresAt: number;
  /** Lower-case hex. */
  fingerprint: string;
  rights: Rights;
  /** The rights of today, when the thing changed since. */
  present: { position: number; rights: Rights } | undefined;
};

/** What one of Thingward's tokens says; its signature proves its form. */
export type Claims = {
  sub: string;
  tid: string;
  account: string;
  exp: number;
  gen: number;
  policies: string[];
  vars: { attributes: Record<string, string>; type?: string; segment?: string; serialNumber?: string };
  cnf: { 'x5t#S256': string };
};

type PolicySets = Pick<Snapshot, 'policySet'>;

/** A row of the registry as a principal. `position` is the place in the log that it was certainly read after. */
export function toKnown(snapshot: PolicySets, row: RegisteredPrincipal, position: number): KnownPrincipal {
  const { thingId, account, name, status, type, serialNumber, notAfter, reason, otherRevoked } = row;
  return {
    kind: 'known',
    key: thingKey(account, name),
    thingId,
    account,
    name,
    status,
    rights: toRights(snapshot, { account, name, type: type ?? undefined }, row, serialNumber),
    notAfter: notAfter.getTime(),
    reason,
    otherRevoked,
    position,
  };
}

/** The claims of a verified token as a principal. */
export function toTokenPrincipal(
  snapshot: PolicySets,
  { sub, tid, account, exp, gen, policies, vars, cnf }: Claims,
): TokenPrincipal {
  const { attributes, type, segment = null, serialNumber } = vars;
  return {
    kind: 'token',
    key: thingKey(account, sub),
    thingId: tid,
    account,
    name: sub,
    type,
    gen,
    expiresAt: exp * 1000,
    fingerprint: Buffer.from(cnf['x5t#S256'], 'base64url').toString('hex'),
    rights: toRights(snapshot, { account, name: sub, type }, { attributes, policies, segment }, serialNumber),
    present: undefined,
  };
}

/** The rights of a token's holder today: those of the token itself unless the thing changed since. */
export function presentRights(snapshot: Pick<Snapshot, 'policySet' | 'changeOf'>, token: TokenPrincipal): Rights {
  const change = snapshot.changeOf(token.key);
  if (!change?.rights || change.gen === undefined || change.gen <= token.gen) return token.rights;
  if (token.present?.position !== change.position) {
    const rights = toRights(snapshot, token, change.rights, token.rights.principal.serialNumber);
    token.present = { position: change.position, rights };
  }
  return token.present.rights;
}

function toRights(
  snapshot: PolicySets,
  { account, name, type }: { account: string; name: string; type: string | undefined },
  { attributes, policies, segment }: ThingRights,
  serialNumber: string | undefined,
): Rights {
  return {
    principal: createPrincipal({
      account,
      thing: { name, type, attributes },
      ...(serialNumber === undefined ? {} : { certificate: { serialNumber } }),
    }),
    policies: snapshot.policySet(account, policies),
    segment,
  };
}
