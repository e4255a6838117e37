import { rfc3339 } from '../clock.js';
import type { RevocationReason } from '../pki/crl.js';
import { everybody, pick, settingsOfIssuer, type EntryOf, type LogEntryType, type NewLogEntry } from './entries.js';

/** What the log has to know of a certificate so that lists can follow it without asking the registry. */
export type LoggedCertificate = {
  serialNumber: string;
  fingerprint: string;
  issuerId: string;
  issuerIndex: bigint;
  crlScope: string;
  notAfter: Date;
  /** When and where in the log it was revoked before; null when it was not. */
  revokedAt: Date | null;
  revokedPosition: bigint | null;
};

type Holder = { account: string; thingName: string };
type Payload<Type extends LogEntryType> = EntryOf<Type>['payload'];

/** A certificate is revoked, or its reason is another now; the first time of its revocation stays. */
export function revokedEntry(
  { account, thingName }: Holder,
  certificate: LoggedCertificate,
  reason: RevocationReason,
): NewLogEntry {
  const first = certificate.revokedAt ? { revokedAt: rfc3339(certificate.revokedAt) } : {};
  return { account, type: 'certificate', payload: { ...describe(certificate), thingName, reason, ...first } };
}

/** A hold has ended. */
export function releasedEntry({ account, thingName }: Holder, certificate: LoggedCertificate): NewLogEntry {
  return { account, type: 'release', payload: { ...describe(certificate), thingName } };
}

function describe({ serialNumber, fingerprint, issuerId, crlScope, ...rest }: LoggedCertificate) {
  return {
    serialNumber,
    fingerprint,
    issuer: issuerId,
    index: Number(rest.issuerIndex),
    notAfter: rfc3339(rest.notAfter),
    ...(crlScope === 'complete' ? {} : { scope: crlScope }),
    ...(rest.revokedPosition === null ? {} : { replaces: Number(rest.revokedPosition) }),
  };
}

type Thing = { id: string; name: string; gen: number };

/** A thing has another status; tokens below `minGen` are refused. */
export function thingEntry(
  account: string,
  { id, name, gen, status, minGen }: Thing & { status: string; minGen: number },
): NewLogEntry {
  return { account, type: 'thing', payload: { thingId: id, thingName: name, status, gen, minGen } };
}

/** What decides the rights of a thing is another now. */
export function thingChangedEntry(
  account: string,
  {
    id,
    name,
    gen,
    attributes,
    policies,
    segment,
  }: Thing & Pick<Payload<'thing-changed'>, 'attributes' | 'policies' | 'segment'>,
): NewLogEntry {
  return {
    account,
    type: 'thing-changed',
    payload: { thingId: id, thingName: name, gen, attributes, policies, segment },
  };
}

/** A line of refresh tokens has ended. */
export function tokenFamilyEntry({ account, thingName }: Holder, family: string): NewLogEntry {
  return { account, type: 'token-family', payload: { family, thingName } };
}

/** A version of a policy is the active one from now on. */
export function policyEntry(account: string, { name, version, document }: Payload<'policy'>): NewLogEntry {
  return { account, type: 'policy', payload: { name, version, document } };
}

/** A segment is another now; null when it is deleted. */
export function segmentEntry(account: string, name: string, segment: Payload<'segment'>['segment']): NewLogEntry {
  if (!segment) return { account, type: 'segment', payload: { name, segment } };
  const { cidr, allowedProtocols, trafficPolicy } = segment;
  return {
    account,
    type: 'segment',
    payload: { name, segment: { name: segment.name, cidr, allowedProtocols, trafficPolicy } },
  };
}

/** An API key is deleted. */
export function keyDeletedEntry(account: string, id: string): NewLogEntry {
  return { account, type: 'key', payload: { id, status: 'deleted' } };
}

/** An API key ends at another time. */
export function keyChangedEntry(account: string, id: string): NewLogEntry {
  return { account, type: 'key', payload: { id, status: 'changed' } };
}

/** An account has another status, and so all of its keys. */
export function accountStatusEntry(account: string, status: string): NewLogEntry {
  return { account, type: 'key', payload: { account, status } };
}

/** An authority has these settings from now on; without any, what its lists show came from outside the log. */
export function issuerEntry(
  account: string,
  issuer: string,
  settings: Omit<Payload<'issuer'>, 'issuer'> = {},
): NewLogEntry {
  return { account, type: 'issuer', payload: { issuer, ...pick(settings, settingsOfIssuer) } };
}

/** An authority can issue from now on; `chain` is in PEM, with what is above it. */
export function authorityEntry(account: string, issuer: string, chain: string): NewLogEntry {
  return { account, type: 'authority', payload: { chain, issuer } };
}

/** Keys of access tokens came, and others retire. */
export function tokenKeysEntry(
  account: string,
  came: Payload<'token-keys'>['came'],
  went: { kid: string; retiresAt: Date }[],
): NewLogEntry {
  const retiring = went.map(({ kid, retiresAt }) => ({ kid, retiresAt: rfc3339(retiresAt) }));
  return { account, type: 'token-keys', payload: { came, went: retiring } };
}

/** An account has this status and these settings from now on. */
export function accountEntry(
  account: string,
  { status, timeZone, clientIdForm }: { status: string; timeZone: string; clientIdForm: string },
): NewLogEntry {
  return { account, type: 'account', payload: { status, settings: { timeZone, clientIdForm } } };
}

/** A session at an edge has to end. */
export function sessionEntry(account: string, { id, thingName }: Payload<'session'>): NewLogEntry {
  return { account, type: 'session', payload: { id, thingName } };
}

/** A command waits for a thing. */
export function commandEntry(account: string, { id, thingName }: Payload<'command'>): NewLogEntry {
  return { account, type: 'command', payload: { id, thingName } };
}

/** A version of a pipeline is active from now on; null: none is. */
export function pipelineEntry(account: string, name: string, pipeline: Payload<'pipeline'>['pipeline']): NewLogEntry {
  const active = pipeline && pick(pipeline, ['name', 'version', 'document']);
  return { account, type: 'pipeline', payload: { name, pipeline: active } };
}

/** All people of an account: what is remembered of their sessions is judged again. */
export function everybodyEntry(account: string): NewLogEntry {
  return { account, type: 'person', payload: { id: everybody } };
}

/** A person, their role or their ways in changed; with `session`, that session alone ended or has another id. */
export function personEntry(account: string, id: string, session?: string): NewLogEntry {
  return { account, type: 'person', payload: { id, ...(session === undefined ? {} : { session }) } };
}
