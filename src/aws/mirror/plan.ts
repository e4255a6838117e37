import { stepOf, type StepName } from './step.js';
import { digestOf, toAwsThing } from './thing-shape.js';

/** What the registry has of a thing, as far as AWS should have it too. */
export type MirroredThing = {
  id: string;
  account: string;
  name: string;
  thingType: string | null;
  attributes: Record<string, string>;
  policies: string[];
  deleted: boolean;
  certificates: MirroredCertificate[];
};

type MirroredCertificate = {
  fingerprint: string;
  notAfter: Date;
  revokedAt: Date | null;
  reason: string | null;
  /** Somebody else issued it. */
  external: boolean;
};

/** A step of a saga and the state that it is to reach. */
export type PlannedStep = { step: StepName; wanted: string };

type Plan = {
  steps: PlannedStep[];
  /** When time alone will ask for more. */
  nextAt: Date | undefined;
};

type Options = {
  thingGroup: string;
  retentionMs: number;
  /** Thingward does not decide the policies of certificates that others issued. */
  keepsPolicies: boolean;
  /** The steps that were begun before, and what they reached: what AWS may have heard of. */
  begun: ReadonlyMap<string, string | null>;
  at: Date;
};

/**
 * The steps that bring AWS where the registry is, in the order of doing: first what takes rights away, then what
 * cleans up, then thing -> certificate -> policies -> principal -> group.
 */
export function planThing(thing: MirroredThing, { thingGroup, retentionMs, keepsPolicies, begun, at }: Options): Plan {
  const isBegun = ({ fingerprint }: MirroredCertificate) => begun.has(stepOf('certificate', fingerprint));
  const isDeleted = ({ fingerprint }: MirroredCertificate) =>
    begun.get(stepOf('certificate', fingerprint)) === 'deleted';
  const live = thing.certificates.filter((each) => !isOver(each, at));
  const over = thing.certificates.filter((each) => isOver(each, at) && isBegun(each) && !isDeleted(each));
  const held = live.filter(({ revokedAt }) => revokedAt !== null);
  const removal = (certificate: MirroredCertificate) => new Date(endOf(certificate).getTime() + retentionMs);
  const steps: PlannedStep[] = [
    ...held.filter(isBegun).map(({ fingerprint }) => certificateStep(fingerprint, 'INACTIVE')),
    ...over.map((certificate) => certificateStep(certificate.fingerprint, statusWhenOver(certificate))),
    ...[...held.filter(isBegun), ...over.filter(isRevoked)].map(connectionStep),
    ...over.flatMap(({ fingerprint }) => [policiesStep(fingerprint, []), principalStep(fingerprint, 'detached')]),
    ...(thing.deleted ? deletion(begun) : presence(thing, live, thingGroup, keepsPolicies)),
  ];
  const removed = over.filter((certificate) => removal(certificate) <= at).map(({ fingerprint }) => fingerprint);
  return {
    steps: [...steps, ...removed.map((fingerprint) => certificateStep(fingerprint, 'deleted'))],
    nextAt: earliest([...live.map(({ notAfter }) => notAfter), ...over.map(removal).filter((date) => date > at)]),
  };
}

function presence(
  thing: MirroredThing,
  live: MirroredCertificate[],
  thingGroup: string,
  keepsPolicies: boolean,
): PlannedStep[] {
  return [
    { step: 'thing', wanted: digestOf(toAwsThing(thing)) },
    ...live.flatMap(({ fingerprint, revokedAt, external }) => [
      certificateStep(fingerprint, revokedAt ? 'INACTIVE' : 'ACTIVE'),
      ...(keepsPolicies && external ? [] : [policiesStep(fingerprint, thing.policies)]),
      principalStep(fingerprint, 'attached'),
    ]),
    { step: 'group', wanted: thingGroup },
  ];
}

function certificateStep(fingerprint: string, wanted: string): PlannedStep {
  return { step: stepOf('certificate', fingerprint), wanted };
}

/** AWS would end it within minutes. A second revocation, after a hold, has another time and so ends one again. */
function connectionStep({ fingerprint, revokedAt }: MirroredCertificate): PlannedStep {
  return { step: stepOf('connection', fingerprint), wanted: `closed after ${revokedAt!.toISOString()}` };
}

function policiesStep(fingerprint: string, policies: string[]): PlannedStep {
  return { step: stepOf('policies', fingerprint), wanted: [...policies].sort().join(',') };
}

function principalStep(fingerprint: string, wanted: 'attached' | 'detached'): PlannedStep {
  return { step: stepOf('principal', fingerprint), wanted };
}

function deletion(begun: Options['begun']): PlannedStep[] {
  return begun.has('thing') ? [{ step: 'thing', wanted: 'deleted' }] : [];
}

/** Revoked for good, superseded or expired: everything but held. */
function isOver({ revokedAt, reason, notAfter }: MirroredCertificate, at: Date): boolean {
  return notAfter <= at || (revokedAt !== null && reason !== 'certificateHold');
}

function statusWhenOver(certificate: MirroredCertificate): string {
  return isRevoked(certificate) ? 'REVOKED' : 'INACTIVE';
}

/** For good: a device that renewed keeps its connection. */
function isRevoked({ revokedAt, reason }: MirroredCertificate): boolean {
  return revokedAt !== null && !['superseded', 'certificateHold'].includes(reason!);
}

function endOf({ revokedAt, reason, notAfter }: MirroredCertificate): Date {
  return revokedAt !== null && reason !== 'certificateHold' && revokedAt < notAfter ? revokedAt : notAfter;
}

function earliest(dates: Date[]): Date | undefined {
  return dates.reduce<Date | undefined>((first, date) => (first && first <= date ? first : date), undefined);
}
