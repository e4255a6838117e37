import { createPrivateKey, X509Certificate } from 'node:crypto';
import { open } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { addSeconds, systemClock, wholeSeconds } from '../clock.js';
import { thisUpdateOf } from '../backdating.js';
import { ConfigError, type Config } from '../config.js';
import type { Origin } from '../origin.js';
import { decodeCsr, parseCsrDer } from '../pki/csr/csr.js';
import { issueUnder, openIssuer, type Issuer } from '../pki/issuer.js';
import { signOfflineList, mostOfflineDays } from '../pki/offline-list.js';
import { encodeCertificate, encodePem } from '../pki/pem.js';
import { listsIn, readCrl } from '../pki/read.js';
import { leastPassphrase, openRoot, sealRoot, SealedRootError, type ExportedRoot } from '../pki/sealed-root.js';
import { createSigner } from '../pki/signer.js';
import { openExisting } from '../resources.js';
import { confirm } from './confirm.js';

/** The commands of a root whose key is elsewhere: it leaves, signs there without a server, and its lists come back. */

const origin: Origin = { actor: 'command-line' };

type Sealed = { passphraseFile: string };

/** The flags of `thingward export-root`. */
export type ExportFlags = Sealed & { out: string; days: string; yes?: boolean };

/** Takes the key of an account's root out of the database, into a file under a passphrase. @throws ConfigError, DomainError */
export async function exportRoot(config: Config, account: string, flags: ExportFlags): Promise<void> {
  const passphrase = readPassphrase(flags.passphraseFile);
  const days = readDays(flags.days);
  const resources = await openExisting(config, async () => {
    await confirm(
      `This moves the key of the root of ${account} into ${flags.out}: without that file and its passphrase, no CA of the root can follow, and its list ends in ${days} days.`,
      { yes: flags.yes ?? false },
    );
  });
  try {
    const write = async (file: ExportedRoot) => writeNew(flags.out, sealedText(file, passphrase));
    const { issuerId, nextUpdate } = await resources.services.offline.exportRoot(account, days, write, origin);
    process.stdout.write(
      `The root ${issuerId} is in ${flags.out}, and its key is no longer in the database. Its list is valid until ${nextUpdate.toISOString()}: bring a newer one before half of that time has passed. Backups from before still have the key.\n`,
    );
  } finally {
    await resources.close();
  }
}

/** Takes lists that were signed elsewhere. @throws ConfigError, DomainError `bad-chain` */
export async function importList(config: Config, files: string[], flags: { mayDrop?: boolean }): Promise<void> {
  const lists = files.flatMap((file) => {
    const found = listsIn(readFile(file));
    if (found.length === 0) throw new ConfigError(`${file} has no list in it: DER, or PEM of X509 CRL`);
    return found;
  });
  const resources = await openExisting(config, async () => {});
  try {
    const done = await resources.services.offline.importLists(lists, flags.mayDrop ?? false, origin);
    for (const { account, issuerId, number, nextUpdate } of done)
      process.stdout.write(
        `The list ${number} of ${issuerId} (${account}) is served now, and valid until ${nextUpdate.toISOString()}.\n`,
      );
  } finally {
    await resources.close();
  }
}

/** Signs the next list of an exported root, after the last one. Reads and writes files alone. @throws ConfigError */
export async function rootList(
  file: string,
  flags: Sealed & { out: string; days: string; after?: string },
): Promise<void> {
  const days = readDays(flags.days);
  const { root, list } = opened(file, flags);
  const previous = flags.after === undefined ? list : onlyList(flags.after);
  const before = readCrl(previous);
  const now = wholeSeconds(systemClock());
  if (!before.isSignedBy(root.signer.publicKey.key)) throw new ConfigError(`${flags.after} is no list of this root`);
  const next = signOfflineList(root, {
    previous,
    now,
    days,
    number: before.number + 1n,
    thisUpdate: thisUpdateOf(now, before.thisUpdate),
  });
  await writeNew(flags.out, encodePem('X509 CRL', next));
  const { number, nextUpdate } = readCrl(next);
  process.stdout.write(`The list ${number} is in ${flags.out}, and valid until ${nextUpdate.toISOString()}.\n`);
}

/** Signs the request of a CA by an exported root. Reads and writes files alone. @throws ConfigError, DomainError `bad-csr` */
export async function rootSign(
  file: string,
  csr: string,
  flags: Sealed & { out: string; crl: string; years: string },
): Promise<void> {
  const years = Number(flags.years);
  if (!Number.isInteger(years) || years < 1 || years > 20) throw new ConfigError('--years must be from 1 to 20');
  if (!/^http:\/\/\S+\.crl$/.test(flags.crl))
    throw new ConfigError('--crl must be the http: URL of the list of the root');
  const { root, account } = opened(file, flags);
  const { publicKey } = parseCsrDer(decodeCsr(readFile(csr).toString('utf8')));
  const now = wholeSeconds(systemClock());
  const validity = { notBefore: addSeconds(now, -86_400), notAfter: addSeconds(now, years * 365 * 86_400) };
  const certificate = issueUnder(account, root, flags.crl, validity, publicKey);
  await writeNew(flags.out, encodeCertificate(certificate) + encodeCertificate(root.certificateDer));
  process.stdout.write(
    `The certificate and the root are in ${flags.out}: PUT /v1/issuers/{id}/certificate takes both.\n`,
  );
}

function opened(file: string, { passphraseFile }: Sealed): { root: Issuer; account: string; list: Buffer } {
  try {
    const { account, certificate, key, list } = openRoot(
      readFile(file).toString('utf8'),
      readPassphrase(passphraseFile),
    );
    const x509 = new X509Certificate(certificate);
    const validity = { notBefore: new Date(x509.validFrom), notAfter: new Date(x509.validTo) };
    const root = openIssuer(x509.raw, validity, createSigner(createPrivateKey(key)));
    return { root, account, list: listsIn(Buffer.from(list))[0]! };
  } catch (error) {
    if (error instanceof SealedRootError) throw new ConfigError(`${file} cannot be opened: ${error.message}`);
    throw error;
  }
}

function sealedText(root: ExportedRoot, passphrase: string): string {
  const text = sealRoot(root, passphrase);
  // Nothing is forgotten before the file is known to open.
  if (openRoot(text, passphrase).key !== root.key) throw new Error('the root cannot be read back');
  return text;
}

function onlyList(file: string): Buffer {
  const [list, ...others] = listsIn(readFile(file));
  if (!list || others.length > 0) throw new ConfigError(`${file} must have one list in it`);
  return list;
}

function readDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= mostOfflineDays) return days;
  throw new ConfigError(`--days must be from 1 to ${mostOfflineDays}`);
}

function readPassphrase(file: string): string {
  const passphrase = readFile(file)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (passphrase.length >= leastPassphrase) return passphrase;
  throw new ConfigError(`the passphrase in ${file} must have at least ${leastPassphrase} characters`);
}

function readFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** Writes a new file, for its owner alone, and onto the disk. @throws ConfigError */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
  } catch (error) {
    throw new ConfigError(`${file} cannot be written: ${(error as Error).message}`);
  }
}
