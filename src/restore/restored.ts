import { appendAudit } from '../audit/store.js';
import type { OpenDatabase, Transaction } from '../db/client.js';
import { ConfigError } from '../config.js';
import { beginEpoch } from '../log/append.js';
import { leaseMs } from '../log/instance-table.js';
import type { Origin } from '../origin.js';
import { applyTold, closeAll, type Applied, type Closed } from './apply-store.js';
import { liveInstances, readBackup, readMayBeOld, type MayBeOld } from './backup-store.js';
import {
  addFeed,
  addLists,
  emptySources,
  merged,
  mergedThings,
  uncovered,
  type SourceFile,
  type Sources,
} from './sources.js';

/** The files of a restore, and whether a loss is accepted. */
type RestoreFiles = { lists: SourceFile[]; feeds: SourceFile[]; acceptLoss: boolean };

/** What a restore did, for the person who ran it. */
export type Restored = { epoch: string; applied: Applied; closed: Closed; sources: Sources; mayBeOld: MayBeOld[] };

const shownOfEach = 50;
const workMs = 3_600_000;

/** @throws ConfigError when there is no source and nobody accepted that */
export function requireSources({ lists, feeds, acceptLoss }: RestoreFiles): void {
  if (lists.length + feeds.length > 0 || acceptLoss) return;
  throw new ConfigError(
    'a backup does not contain later revocations: pass what was saved after it with --lists bundle.pem (GET /crl/bundle.pem) or --feed snapshot.jws (GET /v1/revocations/snapshot.jws), for every account; with --accept-loss, certificates that were revoked after the backup become valid again',
  );
}

/** @throws ConfigError while an instance of the server runs on the database */
export async function requireStopped({ client }: Pick<OpenDatabase, 'client'>): Promise<void> {
  if ((await liveInstances(client)) === 0) return;
  // A backup of a running database has the leases of that moment in it: they end by themselves.
  await new Promise((resolve) => setTimeout(resolve, leaseMs + 500));
  const live = await liveInstances(client);
  if (live > 0)
    throw new ConfigError(
      `${live} instance${live === 1 ? ' runs' : 's run'} on this database: stop every instance first; nothing was changed`,
    );
}

/**
 * Makes a restored backup fit to serve: re-applies the revocations that the files report, closes what may have been used
 * up or taken back since, and begins a new epoch. It only adds: what a file does not name stays revoked.
 * @throws ConfigError when a file is forged, older than the backup or does not cover every authority
 */
export async function restore(
  { client }: Pick<OpenDatabase, 'client'>,
  files: RestoreFiles,
  now: Date,
  origin: Origin,
): Promise<Restored> {
  requireSources(files);
  return client.$transaction((tx) => work(tx, files, now, origin), { timeout: workMs });
}

async function work(tx: Transaction, files: RestoreFiles, at: Date, origin: Origin): Promise<Restored> {
  // One may have started while the question stood.
  if ((await liveInstances(tx)) > 0)
    throw new ConfigError('an instance was started on this database: stop it first; nothing was changed');
  const backup = await readBackup(tx, at);
  const sources = emptySources();
  for (const file of files.feeds) addFeed(sources, file, backup);
  for (const file of files.lists) addLists(sources, file, backup, at);
  const missing = uncovered(sources, backup);
  if (missing.length > 0 && !files.acceptLoss) throw new ConfigError(missingText(missing));
  const mayBeOld = await readMayBeOld(tx, at, shownOfEach);
  const applied = await applyTold(tx, at, merged(sources.told), mergedThings(sources.things));
  const closed = await closeAll(tx, at);
  const epoch = await beginEpoch(tx, sources.numbers);
  const detail = { epoch, ...applied, ...closed, acceptLoss: files.acceptLoss };
  const records = mayBeOld.map(({ account }) => ({
    at,
    account,
    origin,
    action: 'restored',
    target: `account:${account}`,
    detail,
  }));
  await appendAudit(tx, ...records);
  return { epoch, applied, closed, sources, mayBeOld };
}

function missingText(missing: { id: string; account: string }[]): string {
  const names = missing.slice(0, 10).map(({ id, account }) => `${id} of the account ${account}`);
  return `the files do not cover ${missing.length} unexpired issuer${missing.length === 1 ? '' : 's'} (${names.join(', ')}${missing.length > 10 ? ', …' : ''}): add the snapshots of their accounts, or lists with higher numbers than those in the backup (one with the same number may be from before the backup); nothing was changed`;
}
