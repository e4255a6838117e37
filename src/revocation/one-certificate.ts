import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { releasedEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { RevocationReason } from '../pki/crl.js';
import { revoke, type RevokeDeps } from './revoke.js';
import { certificatesOf, holderOf, lockThingById, markReleased, type LockedCertificate } from './revoke-sql.js';
import { transitionOf } from './transition.js';

/** A certificate that is revoked, where in the log that stands, and the cursor of that place. */
type Revoked = {
  serialNumber: string;
  reason: string;
  revokedAt: Date;
  position: number;
  cursor: string;
  /** Somebody else issued it: no list of Thingward names it. */
  outsideLists?: true;
};

type Released = { serialNumber: string; position: number; cursor: string; outsideLists?: true };

/**
 * Revokes one certificate. Revoking again with the same reason returns the original answer.
 * @throws DomainError `not-found`, `conflict` when it was revoked for a reason that cannot become this one
 */
export function revokeCertificate(
  { commit, clock, audit, log, cursorAt }: RevokeDeps,
  account: string,
  serialNumber: string,
  reason: RevocationReason,
  origin: Origin,
): Promise<Revoked> {
  return commit(async (tx) => {
    const at = clock();
    const { thing, certificate } = await lockHolder(tx, account, serialNumber, at);
    const transition = transitionOf(certificate.reason, reason);
    if (transition === 'repeat') return answerOf(certificate, cursorAt);
    if (transition === 'refuse')
      throw new DomainError(
        'conflict',
        `the certificate is revoked with the reason ${certificate.reason}, which can only change to keyCompromise`,
      );
    const [action, target] = ['certificate.revoke', `thing:${thing.name}`];
    const revocable = { ...certificate, thingName: thing.name };
    const last = await log(
      tx,
      at,
      await revoke(audit, tx, [revocable], { account, reason, at, origin, action, target }),
    );
    const [after] = await certificatesOf(tx, thing.id, at, serialNumber);
    return answerOf({ ...after!, revokedPosition: after!.revokedPosition ?? last }, cursorAt);
  });
}

/** Ends a hold. @throws DomainError `not-found`, `conflict` unless it is held, and not by a suspension */
export function releaseCertificate(
  { commit, clock, audit, log, cursorAt }: RevokeDeps,
  account: string,
  serialNumber: string,
  origin: Origin,
): Promise<Released> {
  return commit(async (tx) => {
    const at = clock();
    const { thing, certificate } = await lockHolder(tx, account, serialNumber, at);
    if (certificate.reason !== 'certificateHold')
      throw new DomainError(
        'conflict',
        `the certificate is ${certificate.reason === null ? 'not held' : `revoked for ${certificate.reason}`}: only a hold can be released`,
      );
    if (certificate.heldBySuspension)
      throw new DomainError(
        'conflict',
        `the certificate is held because the thing ${thing.name} is suspended: resume the thing`,
      );
    await markReleased(tx, [serialNumber]);
    const target = `thing:${thing.name}`;
    await audit(tx, { at, account, origin, action: 'certificate.release', target, detail: { serialNumber } });
    const position = Number(await log(tx, at, [releasedEntry({ account, thingName: thing.name }, certificate)]));
    return { serialNumber, position, cursor: cursorAt(position), ...outside(certificate.crlScope) };
  });
}

async function lockHolder(tx: Transaction, account: string, serialNumber: string, at: Date) {
  const id = await holderOf(tx, account, serialNumber);
  const thing = id === undefined ? undefined : await lockThingById(tx, id);
  const [certificate] = thing ? await certificatesOf(tx, thing.id, at, serialNumber) : [];
  if (!thing || !certificate) throw new DomainError('not-found', `there is no certificate ${serialNumber}`);
  return { thing, certificate };
}

function answerOf(
  { serialNumber, reason, revokedAt, revokedPosition, crlScope }: LockedCertificate,
  cursorAt: RevokeDeps['cursorAt'],
): Revoked {
  const position = Number(revokedPosition ?? 0);
  const answer = { serialNumber, reason: reason!, revokedAt: revokedAt!, position, cursor: cursorAt(position) };
  return { ...answer, ...outside(crlScope) };
}

/** What answers say of certificates that others issued. */
function outside(crlScope: string): { outsideLists?: true } {
  return crlScope === 'external' ? { outsideLists: true } : {};
}
