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

async function checkSnapshot(name: string, bytes: Buffer, present: Present, check: Check): Promise<void> {
  const jws = readCompact(bytes.toString('latin1'));
  const signer = present.authorities.find(({ id }) => id === jws.header['kid']);
  check(signer !== undefined && jws.isSignedBy(signer.key), `${name}: signed by an authority of this server`);
  const { certificates } = snapshot.parse(jws.payload);
  for (const authority of present.authorities) {
    // What a renewal superseded is on no list unless the issuer says so, and what has expired leaves the lists.
    const named = certificates.filter(
      ({ issuer, reason, notAfter }) => issuer === authority.id && reason !== 'superseded' && notAfter > present.at,
    );
    await checkNamed(name, authority, named, present, check);
  }
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
  const holds = released === 0 ? '' : `, ${released} holds released since`;
  const shown = lost.slice(0, mostShown).map((serialNumber) => ` ${serialNumber}`);
  check(
    lost.length === 0,
    `${name}: ${named.length} revoked by ${authority.id}, ${lost.length} of them no longer${holds}${shown.join('')}`,
  );
}
