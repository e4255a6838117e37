// What the registry knows of things and certificates, in the form that rooms hand to each other.

import { etagOf } from './api/etag.js';
import { DomainError } from './errors.js';

/** The states of a thing. */
export type ThingStatus = 'active' | 'suspended' | 'revoked';

/** A thing as the registry has it. */
export type RegisteredThing = {
  id: string;
  account: string;
  name: string;
  thingType: string | null;
  attributes: Record<string, string>;
  policies: string[];
  /** The network segment that it is in. */
  segment: string | null;
  status: ThingStatus;
  /** Rises with every change that tokens already issued do not know of. */
  gen: number;
  /** Tokens of a lower generation are refused. */
  minGen: number;
  createdAt: Date;
};

/** The ETag of a thing: its generation rises with every change of what decides rights. */
export const thingTag = ({ id, gen, status }: { id: string; gen: number; status: string }): string =>
  etagOf('thing', id, gen, status);

const maxAttributes = 50;

/** Attributes after a merge patch: null takes one away. @throws DomainError `invalid-request` */
export function mergeAttributes(
  before: Record<string, string>,
  patch: Record<string, string | null>,
): Record<string, string> {
  const merged = Object.entries({ ...before, ...patch }).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  if (merged.length > maxAttributes)
    throw new DomainError('invalid-request', `a thing has at most ${maxAttributes} attributes: remove some`);
  return Object.fromEntries(merged);
}

/** A certificate as the registry has it: one that Thingward issued, or that was imported. */
export type RegisteredCertificate = {
  /** Lower-case hex, 40 digits. */
  serialNumber: string;
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: string;
  issuerId: string;
  /** Somebody else issued it: it is on no list of Thingward. */
  outsideLists: boolean;
  der: Buffer;
  notBefore: Date;
  notAfter: Date;
  createdAt: Date;
  /** When its key, or a token bound to it, was first used with Thingward. */
  firstUsedAt: Date | null;
  revokedAt: Date | null;
  reason: string | null;
};

/** A certificate with the thing that holds it. */
export type HeldCertificate = RegisteredCertificate & { thing: RegisteredThing; accountActive: boolean };

/** A stored thing, whichever query brought it. */
export function toRegisteredThing(row: {
  id: string;
  accountName: string;
  name: string;
  thingType: string | null;
  attributes: unknown;
  policies: string[];
  segment: string | null;
  status: string;
  gen: number;
  minGen: number;
  createdAt: Date;
  /** What a deleted thing was called whose name is free again. */
  formerName?: string | null;
}): RegisteredThing {
  const { id, accountName, name, thingType, attributes, policies, segment, status, gen, minGen, createdAt } = row;
  return {
    id,
    account: accountName,
    name: row.formerName ?? name,
    thingType,
    attributes: attributes as Record<string, string>,
    policies,
    segment,
    status: status as ThingStatus,
    gen,
    minGen,
    createdAt,
  };
}
