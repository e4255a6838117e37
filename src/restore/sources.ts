import type { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { backdatedSeconds } from '../backdating.js';
import { addSeconds } from '../clock.js';
import { ConfigError } from '../config.js';
import type { RevocationReason } from '../pki/crl.js';
import { reasonCodes } from '../pki/crl.js';
import { readCompact } from '../pki/jws.js';
import { listsIn, readCrl, type ReadCrl } from '../pki/read.js';
import { isGraver } from './graver.js';

/** An authority of the backup that has not expired. */
export type Authority = {
  id: string;
  account: string;
  notAfter: Date;
  certificate: X509Certificate;
  subject: Buffer;
  /** Whether certificates of devices are under it, which can be revoked; under a root nothing is. */
  issuesDevices: boolean;
  /** The numbers of its lists in the backup: of the complete one by '', of others by their URL. */
  numbers: Map<string, bigint>;
};

/** What the backup says about its age. */
export type Backup = { epoch: string; position: number; lastAt: Date; authorities: Authority[] };

/** A certificate that a source says is revoked or held. */
export type Told = {
  issuerId: string;
  serialNumber: string;
  reason: RevocationReason;
  revokedAt: Date;
  notAfter: Date;
  fingerprint: string | null;
  thingName: string | null;
  index: number | null;
  heldBySuspension: boolean;
};

/** A thing that a source says is not active, or whose tokens below a generation are refused. */
export type ToldThing = { account: string; id: string; thingName: string; status: string; minGen: number };

/** Everything that the given files say, their signatures checked. */
export type Sources = {
  told: Told[];
  things: ToldThing[];
  /** Authorities whose revocations are covered. */
  covered: Set<string>;
  /** Accounts whose feed was given: their things are covered too. */
  fed: Set<string>;
  /** The highest list number seen of each authority. */
  numbers: Map<string, bigint>;
};

/** The issuer under which an account's registry keeps the certificates that others issued. */
const externalIssuer = (account: string): string => `external-${account}`;

/** A file that tells what was revoked after the backup. */
export type SourceFile = { name: string; bytes: Buffer };

const statuses: string[] = ['active', 'suspended', 'revoked'];

/** Nothing told yet. */
export function emptySources(): Sources {
  return { told: [], things: [], covered: new Set(), fed: new Set(), numbers: new Map() };
}

/** Adds what a file of lists says, PEM or DER. @throws ConfigError when it is forged, older than the backup, or no list */
export function addLists(sources: Sources, { name, bytes }: SourceFile, backup: Backup, now: Date): void {
  const lists = within(name, () => listsIn(bytes));
  if (lists.length === 0) throw refuse(name, 'holds no list');
  for (const list of lists) {
    const crl = within(name, () => readCrl(list));
    const authority = signerOf(name, crl, backup);
    requireNotOlder(name, crl, authority);
    if (isComplete(crl, authority) && isLater(crl, authority)) sources.covered.add(authority.id);
    note(sources, authority.id, crl.number);
    sources.told.push(...within(name, () => crl.entries()).map((entry) => toldByList(entry, authority, now)));
  }
}

/** Adds what a signed snapshot of the feed says. @throws ConfigError when it is forged or older than the backup */
export function addFeed(sources: Sources, { name, bytes }: SourceFile, backup: Backup): void {
  const jws = within(name, () => readCompact(bytes.toString('latin1')));
  const authority = backup.authorities.find(({ id }) => id === jws.header['kid']);
  if (!authority) throw refuse(name, 'is signed by an issuer that the backup does not have or that has expired');
  if (jws.header['typ'] !== 'thingward-snapshot+jwt' || !jws.isSignedBy(authority.certificate.publicKey))
    throw refuse(name, `has no valid signature of the issuer ${authority.id}`);
  const parsed = snapshot.safeParse(jws.payload);
  if (!parsed.success) throw refuse(name, 'is not a snapshot of this version of Thingward');
  const { account, epoch, position, signedAt, lists, certificates, things } = parsed.data;
  if (account !== authority.account) throw refuse(name, `is about ${account} and signed for ${authority.account}`);
  const isOlder = epoch === backup.epoch ? position < backup.position : signedAt < backup.lastAt;
  if (isOlder) throw refuse(name, 'is older than the backup: use one that was made after the backup');
  const own = backup.authorities.filter((each) => each.account === account);
  for (const { id } of own) sources.covered.add(id);
  for (const { issuer, number } of lists) note(sources, issuer, BigInt(number));
  const isOwn = new Set(own.map(({ id }) => id));
  sources.fed.add(account);
  sources.things.push(...things.map((thing) => ({ account, ...thing })));
  // Of an issuer that has expired nothing is on a list. What others issued is on no list, and in the registry.
  const ours = certificates.filter(({ issuer }) => isOwn.has(issuer) || issuer === externalIssuer(account));
  sources.told.push(...ours.map(({ issuer, ...each }) => ({ ...each, issuerId: issuer })));
}

/** Whether what is told is about a certificate that others issued, which is on no list of Thingward. */
export const isExternal = ({ issuerId }: Told): boolean => issuerId.startsWith('external-');

/** One word about each certificate: what was told first, with the graver reason. */
export function merged(told: Told[]): Told[] {
  const bySerial = new Map<string, Told>();
  for (const each of told) {
    const key = `${each.issuerId} ${each.serialNumber}`;
    const before = bySerial.get(key);
    if (!before) bySerial.set(key, each);
    else if (isGraver(each.reason, before.reason))
      bySerial.set(key, { ...before, reason: each.reason, heldBySuspension: each.heldBySuspension });
  }
  return [...bySerial.values()];
}

/** One word about each thing: the graver status and the highest generation that any source tells. */
export function mergedThings(things: ToldThing[]): ToldThing[] {
  const byId = new Map<string, ToldThing>();
  for (const each of things) {
    const key = `${each.account} ${each.id}`;
    const before = byId.get(key) ?? each;
    const status = statuses.indexOf(each.status) > statuses.indexOf(before.status) ? each.status : before.status;
    byId.set(key, { ...before, status, minGen: Math.max(before.minGen, each.minGen) });
  }
  return [...byId.values()];
}

/** The authorities that no source covers. */
export function uncovered({ covered }: Sources, { authorities }: Backup): Authority[] {
  return authorities.filter(({ id }) => !covered.has(id));
}

const reason = z.enum(Object.keys(reasonCodes) as [RevocationReason, ...RevocationReason[]]);
const time = z.iso.datetime().transform((text) => new Date(text));
const snapshot = z.object({
  account: z.string(),
  epoch: z.string(),
  position: z.int(),
  signedAt: time,
  lists: z.array(z.object({ issuer: z.string(), number: z.string().regex(/^\d{1,19}$/) })),
  certificates: z.array(
    z.object({
      serialNumber: z.string().regex(/^[0-9a-f]{1,40}$/),
      issuer: z.string(),
      reason,
      revokedAt: time,
      notAfter: time,
      fingerprint: z.string().nullable(),
      thingName: z.string().nullable(),
      index: z.number().nullable(),
      heldBySuspension: z.boolean(),
    }),
  ),
  things: z.array(
    z.object({
      id: z.uuid(),
      thingName: z.string(),
      status: z.enum(['active', 'suspended', 'revoked']),
      minGen: z.int(),
    }),
  ),
});

function signerOf(name: string, crl: ReadCrl, { authorities }: Backup): Authority {
  const named = authorities.filter(({ subject }) => subject.equals(crl.issuer));
  if (named.length === 0)
    throw refuse(name, 'has a list of an issuer that the backup does not have or that has expired: leave it out');
  const signer = named.find(({ certificate }) => crl.isSignedBy(certificate.publicKey));
  if (!signer) throw refuse(name, `has a list without a valid signature of its issuer ${named[0]!.id}`);
  if (crl.isDelta) throw refuse(name, 'has a delta list, which is not complete: use /crl/bundle.pem');
  return signer;
}

function knownNumber({ distributionPoint }: ReadCrl, { numbers }: Authority): bigint {
  return numbers.get(distributionPoint ?? '') ?? numbers.get('') ?? 0n;
}

// INVARIANT: a list with the number that the backup knew may have been saved before the backup. What it names counts, and it
// covers nothing: a revocation since has a list with a higher number, or is in a snapshot, which has a position.
function isLater(crl: ReadCrl, authority: Authority): boolean {
  return !authority.issuesDevices || crl.number > knownNumber(crl, authority);
}

function requireNotOlder(name: string, crl: ReadCrl, authority: Authority): void {
  const { id } = authority;
  const before = knownNumber(crl, authority);
  if (crl.number >= before) return;
  throw refuse(
    name,
    `has list number ${crl.number} of the issuer ${id}, but the backup has number ${before} already: it is older than the backup`,
  );
}

/** A list that names the distribution point of a shard covers that shard alone. */
function isComplete({ distributionPoint }: ReadCrl, { id, numbers }: Authority): boolean {
  if (distributionPoint === undefined) return true;
  return !numbers.has(distributionPoint) && distributionPoint.endsWith(`/crl/${id}.crl`);
}

function toldByList(entry: ReturnType<ReadCrl['entries']>[number], { id, notAfter }: Authority, now: Date): Told {
  // Lists date a revocation back by an hour. The next list does so again, and shows the same date.
  const revokedAt = new Date(Math.min(addSeconds(entry.revokedAt, backdatedSeconds).getTime(), now.getTime()));
  const unknown = { fingerprint: null, thingName: null, index: null, heldBySuspension: false };
  const { serialNumber } = entry;
  return { ...unknown, issuerId: id, serialNumber, reason: entry.reason as RevocationReason, revokedAt, notAfter };
}

function note({ numbers }: Sources, issuerId: string, number: bigint): void {
  if (number > (numbers.get(issuerId) ?? 0n)) numbers.set(issuerId, number);
}

function within<Result>(name: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw refuse(name, `cannot be read: ${(error as Error).message}`);
  }
}

function refuse(name: string, why: string): ConfigError {
  return new ConfigError(`${name} ${why}; nothing was changed`);
}
