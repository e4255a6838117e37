import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError } from '../config.js';
import { readCompact } from '../pki/jws.js';
import { listsIn, readCrl, type ReadStatus } from '../pki/read.js';
import type { Authority } from './authority.js';

/** A list or a signed snapshot that was saved earlier. */
export type PreviousFile = { name: string; bytes: Buffer };

/** What a server says now. */
export type Present = {
  authorities: Authority[];
  /** Every serial number in a list. */
  listed: Set<string>;
  account: string;
  /** Serial numbers of revoked certificates that others issued; undefined without a key, which it takes to know them. */
  external: Set<string> | undefined;
  at: Date;
  ask(authority: Authority, serialNumbers: string[]): Promise<ReadStatus[]>;
};

type Check = (holds: boolean, what: string) => void;
type Named = { serialNumber: string; reason: string };

const mostAsked = 20;
const mostShown = 5;

const snapshot = z.object({
  certificates: z.array(
    z.object({ serialNumber: z.string(), issuer: z.string(), reason: z.string(), notAfter: z.coerce.date() }),
  ),
});

/** Reads a file that was saved earlier. @throws ConfigError when it cannot be read */
export function readPrevious(name: string): PreviousFile {
  try {
    return { name, bytes: readFileSync(name) };
  } catch (error) {
    throw new ConfigError(`${name} cannot be read: ${(error as Error).message}`);
  }
}

/** Checks that what a file from before says is revoked is revoked still. @throws Error when it cannot be read */
export async function checkPrevious({ name, bytes }: PreviousFile, present: Present, check: Check): Promise<void> {
  const lists = listsIn(bytes);
  if (lists.length === 0) return checkSnapshot(name, bytes, present, check);
  for (const list of lists) {
    const crl = readCrl(list);
    const signer = present.authorities.find(({ subject, key }) => subject.equals(crl.issuer) && crl.isSignedBy(key));
    check(signer !== undefined, `${name}: list number ${crl.number} is signed by an authority of this server`);
    if (signer) await checkNamed(name, signer, crl.entries(), present, check);
  }
}

/** What a signed snapshot says; its signature is not looked at. @throws Error when it is none */
export function readSnapshot(bytes: Buffer): z.output<typeof snapshot> {
  return snapshot.parse(readCompact(bytes.toString('latin1')).payload);
}

/** Whether a certificate in a snapshot of an account was issued by others, and brought in from AWS IoT. */
export function isExternal(account: string): (of: { issuer: string }) => boolean {
  return ({ issuer }) => issuer === `external-${account}`;
}

async function checkSnapshot(name: string, bytes: Buffer, present: Present, check: Check): Promise<void> {
  const jws = readCompact(bytes.toString('latin1'));
  const signer = present.authorities.find(({ id }) => id === jws.header['kid']);
  check(signer !== undefined && jws.isSignedBy(signer.key), `${name}: signed by an authority of this server`);
  const { certificates } = readSnapshot(bytes);
  for (const authority of present.authorities) {
    // What a renewal superseded is on no list unless the issuer says so, and what has expired leaves the lists.
    const named = certificates.filter(
      ({ issuer, reason, notAfter }) => issuer === authority.id && reason !== 'superseded' && notAfter > present.at,
    );
    await checkNamed(name, authority, named, present, check);
  }
  const others = certificates.filter(isExternal(present.account)).filter(({ notAfter }) => notAfter > present.at);
  if (others.length > 0) checkExternal(name, others, present, check);
}

/** Certificates of other issuers stand in no list, and OCSP does not know them: the feed alone says what became of them. */
function checkExternal(name: string, named: Named[], { external }: Present, check: Check): void {
  const what = `${name}: ${named.length} revoked that others issued`;
  if (external === undefined) return check(false, `${what}, which need --key to be found`);
  const gone = named.filter(({ serialNumber }) => !external.has(serialNumber));
  const lost = gone.filter(({ reason }) => reason !== 'certificateHold').map(({ serialNumber }) => serialNumber);
  const released = gone.length - lost.length;
  check(lost.length === 0, `${what}, ${lost.length} of them no longer${tail(released, lost)}`);
}

/** What is said of released holds, and the first of what is lost. */
function tail(released: number, lost: string[]): string {
  const holds = released === 0 ? '' : `, ${released} holds released since`;
  return (
    holds +
    lost
      .slice(0, mostShown)
      .map((serialNumber) => ` ${serialNumber}`)
      .join('')
  );
}

async function checkNamed(name: string, authority: Authority, named: Named[], { listed, ask }: Present, check: Check) {
  const missing = named.filter(({ serialNumber }) => !listed.has(serialNumber));
  const lost: string[] = [];
  let released = 0;
  for (let at = 0; at < missing.length; at += mostAsked) {
    const some = missing.slice(at, at + mostAsked);
    const statuses = await ask(
      authority,
      some.map(({ serialNumber }) => serialNumber),
    );
    const known = new Map(statuses.map(({ serialNumber, status }) => [serialNumber, status]));
    for (const { serialNumber, reason } of some) {
      const status = known.get(serialNumber);
      // It has left the list because it expired.
      if (status === 'revoked') continue;
      if (reason === 'certificateHold' && status === 'good') released++;
      else lost.push(serialNumber);
    }
  }
  check(
    lost.length === 0,
    `${name}: ${named.length} revoked by ${authority.id}, ${lost.length} of them no longer${tail(released, lost)}`,
  );
}
