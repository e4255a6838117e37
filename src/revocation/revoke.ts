import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Transaction } from '../db/client.js';
import type { AppendLog } from '../log/append.js';
import { revokedEntry, type LoggedCertificate } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import type { Origin } from '../origin.js';
import type { RevocationReason } from '../pki/crl.js';
import { barKeys, endFamilies, markRevoked } from './revoke-sql.js';

/** What the verbs of revoking need. */
export type RevokeDeps = {
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  cursorAt(position: number): string;
};

/** A certificate of a locked thing, with the name of that thing. */
export type Revocable = LoggedCertificate & { thingName: string; spkiSha256: Uint8Array };

/** Why, when and by whom certificates are revoked, and how the audit names that. */
export type Act = {
  account: string;
  reason: RevocationReason;
  at: Date;
  origin: Origin;
  action: string;
  target: string;
  heldBySuspension?: boolean;
};

/**
 * Revokes certificates of locked things, one or a thousand: their refresh families end, compromised keys are barred, and
 * the audit has it. Returns what the log has to tell, which the caller appends.
 */
export async function revoke(
  audit: AppendAudit,
  tx: Transaction,
  certificates: readonly Revocable[],
  { account, reason, at, origin, action, target, heldBySuspension = false }: Act,
): Promise<NewLogEntry[]> {
  const serialNumbers = certificates.map(({ serialNumber }) => serialNumber);
  await markRevoked(tx, serialNumbers, { reason, at, heldBySuspension });
  const families = reason === 'certificateHold' ? [] : await endFamilies(tx, account, serialNumbers, at);
  if (reason === 'keyCompromise') {
    const keys = certificates.map(({ spkiSha256 }) => spkiSha256);
    await barKeys(tx, account, keys, at);
  }
  await audit(tx, { at, account, origin, action, target, detail: { serialNumbers, reason } });
  const entries = certificates.map((each) => revokedEntry({ account, thingName: each.thingName }, each, reason));
  return [...entries, ...families];
}
