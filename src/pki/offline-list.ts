import { draftCrl, encodeCrlEntry, reasonCodes, type CrlEntry, type RevocationReason } from './crl.js';
import { lintCrl } from './crl-lint.js';
import type { Issuer } from './issuer.js';
import { readCrl } from './read.js';

const day = 86_400;

/** How long the list of a root may be valid whose key is elsewhere, in days. */
export const mostOfflineDays = 400;

type Wanted = {
  /** The list before, in DER: what it names stays named. */
  previous: Buffer;
  number: bigint;
  /** Now; what the list says lies an hour before. */
  thisUpdate: Date;
  now: Date;
  days: number;
};

/** Signs the next list of a root by hand, once it passed the lint. It ends with the root at the latest. @throws Error that says what is wrong */
export function signOfflineList(issuer: Issuer, { previous, number, thisUpdate, now, days }: Wanted): Buffer {
  const entries = readCrl(previous).entries();
  const wanted = new Date(now.getTime() + days * day * 1000);
  const nextUpdate = wanted < issuer.notAfter ? wanted : issuer.notAfter;
  const header = { number, thisUpdate, nextUpdate };
  const encoded = Buffer.concat(entries.map((entry) => encodeCrlEntry({ ...entry, reason: reasonOf(entry.reason) })));
  const draft = draftCrl(issuer, header, encoded.length);
  draft.entries.set(encoded);
  const bytes = Buffer.from(draft.finish(issuer.signer.sign(draft.tbs)));
  const maxSeconds = (mostOfflineDays + 1) * day;
  const lint = lintCrl({ der: bytes, issuer, header, entries: entries.length, now, maxSeconds });
  while (!lint.next().done) continue;
  return bytes;
}

function reasonOf(reason: string): CrlEntry['reason'] {
  return Object.hasOwn(reasonCodes, reason) ? (reason as RevocationReason) : 'unspecified';
}
