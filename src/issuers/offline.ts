import { X509Certificate } from 'node:crypto';
import type { AppendAudit } from '../audit/store.js';
import { thisUpdateOf } from '../backdating.js';
import { addSeconds, rfc3339, wholeSeconds, type Clock } from '../clock.js';
import type { Commit } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { AppendLog } from '../log/append.js';
import { issuerEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import { namesIn, type Issuer } from '../pki/issuer.js';
import { signOfflineList } from '../pki/offline-list.js';
import { encodeCertificate, encodePem } from '../pki/pem.js';
import { readCrl, type ReadCrl } from '../pki/read.js';
import type { ExportedRoot } from '../pki/sealed-root.js';
import { sealedAs, type Sealer } from '../sealing.js';
import type { OfflineStore } from './offline-store.js';
import type { StoredIssuer } from './stored.js';

type Deps = {
  store: OfflineStore;
  commit: Commit;
  audit: AppendAudit;
  log: AppendLog;
  sealer: Pick<Sealer, 'open'>;
  clock: Clock;
  unexpired(account: string): Promise<StoredIssuer[]>;
  open(stored: StoredIssuer): Issuer;
  /** The list of an authority that is made here. */
  currentList(issuerId: string): Promise<{ number: bigint; der: Buffer; thisUpdate: Date }>;
};

/** A list that was brought, and until when it is valid. */
export type Imported = { account: string; issuerId: string; number: string; nextUpdate: Date };

/** What a root leaves behind. */
export type Exported = { issuerId: string; nextUpdate: Date };

// Instances may sign meanwhile: the number of the list by hand is far enough ahead.
const numbersAhead = 1000n;
const mostListOctets = 1024 * 1024;
const skewSeconds = 300;

/** Authorities whose key is elsewhere: a root goes there, and lists come back. */
export function createOffline(deps: Deps) {
  const { store, commit, audit, log, sealer, clock, unexpired, open, currentList } = deps;

  const rootOf = async (account: string): Promise<StoredIssuer> => {
    const roots = (await unexpired(account)).filter(({ kind, parentId }) => kind === 'root' && parentId === null);
    const root = roots.find(({ keyPlace }) => keyPlace === 'here');
    if (root) return root;
    throw new DomainError('conflict', `the account ${account} has no root whose key is here: it was exported already`);
  };

  const exported = async (root: StoredIssuer, days: number) => {
    const issuer = open(root);
    const now = wholeSeconds(clock());
    const before = await currentList(root.id);
    const number = before.number + numbersAhead;
    const list = signOfflineList(issuer, {
      previous: before.der,
      number,
      days,
      now,
      thisUpdate: thisUpdateOf(now, before.thisUpdate),
    });
    const pkcs8 = sealer.open(root.sealedKey, sealedAs.issuer(root.id));
    const file: ExportedRoot = {
      account: root.account,
      certificate: encodeCertificate(root.certificateDer),
      key: encodePem('PRIVATE KEY', pkcs8),
      list: encodePem('X509 CRL', list),
    };
    return { number, list, file };
  };

  const importOne = async (bytes: Buffer, mayDrop: boolean, origin: Origin): Promise<Imported> => {
    const list = readList(bytes);
    const signer = (await store.elsewhere(clock())).find((each) => isListOf(list, each));
    if (!signer)
      throw refuse(
        'no authority whose key is elsewhere signed it: bring the list of an exported root, or of the root above an intermediate',
      );
    requireFit(list, clock());
    await commit(async (tx) => {
      const at = clock();
      const before = await store.lockList(tx, signer.id);
      if (before) requireNewer(list, before, mayDrop);
      await store.putList(tx, signer.id, { ...list, der: bytes }, at);
      await audit(tx, {
        at,
        account: signer.account,
        origin,
        action: 'issuer.import-list',
        target: `issuer:${signer.id}`,
        detail: { number: String(list.number), nextUpdate: rfc3339(list.nextUpdate) },
      });
      await log(tx, at, [issuerEntry(signer.account, signer.id)]);
    });
    const { account, id: issuerId } = signer;
    return { account, issuerId, number: String(list.number), nextUpdate: list.nextUpdate };
  };

  return {
    /**
     * Takes the key of a root away: `write` keeps it, durably, before it is forgotten here. Its list is signed for days ahead.
     * @throws DomainError `not-found`, `conflict`
     */
    async exportRoot(
      account: string,
      days: number,
      write: (file: ExportedRoot) => Promise<void>,
      origin: Origin,
    ): Promise<Exported> {
      const root = await rootOf(account);
      const { number, list, file } = await exported(root, days);
      const { nextUpdate } = readCrl(list);
      await write(file);
      await commit(async (tx) => {
        const at = clock();
        if (!(await store.giveKeyAway(tx, root.id, number)))
          throw new DomainError(
            'conflict',
            'the root was exported, or signed many lists, meanwhile: try again with another file',
          );
        await store.putList(tx, root.id, { ...readCrl(list), der: list }, at);
        const detail = { number: String(number), nextUpdate: rfc3339(nextUpdate) };
        await audit(tx, { at, account, origin, action: 'issuer.export', target: `issuer:${root.id}`, detail });
        await log(tx, at, [issuerEntry(account, root.id)]);
      });
      return { issuerId: root.id, nextUpdate };
    },

    /**
     * Takes lists in DER of authorities whose key is elsewhere, each on its own, in the order given. With `mayDrop` a list may no
     * longer name what the one before named. @throws DomainError `bad-chain`
     */
    async importLists(lists: Buffer[], mayDrop: boolean, origin: Origin): Promise<Imported[]> {
      const done: Imported[] = [];
      for (const bytes of lists) done.push(await importOne(bytes, mayDrop, origin));
      return done;
    },
  };
}

function refuse(why: string): DomainError {
  return new DomainError('bad-chain', `the list was refused: ${why}`);
}

function readList(bytes: Buffer): ReadCrl {
  if (bytes.length > mostListOctets) throw refuse('it is larger than 1 MiB');
  try {
    return readCrl(bytes);
  } catch (error) {
    throw refuse(`${(error as Error).message}: make it with a crlNumber (RFC 5280 §5.2.3), and with SHA-256 or better`);
  }
}

function isListOf(list: ReadCrl, { certificateDer }: StoredIssuer): boolean {
  if (!list.issuer.equals(namesIn(certificateDer).subject)) return false;
  return list.isSignedBy(new X509Certificate(certificateDer).publicKey);
}

/** @throws DomainError `bad-chain` */
function requireFit({ thisUpdate, nextUpdate, isDelta, distributionPoint }: ReadCrl, now: Date): void {
  if (isDelta || distributionPoint !== undefined)
    throw refuse('it is a delta, or the list of a part: bring the complete one');
  if (!(thisUpdate <= addSeconds(now, skewSeconds))) throw refuse('its thisUpdate lies ahead: look at the clocks');
  if (!(nextUpdate > now)) throw refuse('it has ended: sign a new one');
}

/** @throws DomainError `bad-chain` */
function requireNewer(list: ReadCrl, before: { number: bigint; der: Buffer }, mayDrop: boolean): void {
  if (list.number <= before.number)
    throw refuse(`its number is ${list.number}, and the list here has ${before.number}: sign one with a higher number`);
  const gone = [...readCrl(before.der).serialNumbers].filter((serial) => !list.serialNumbers.has(serial));
  if (gone.length > 0 && !mayDrop)
    throw refuse(`it no longer names ${gone[0]}, which the list here does: with --may-drop it is taken anyway`);
}
