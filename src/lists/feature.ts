import { Gauge } from 'prom-client';
import type { Config } from '../config.js';
import type { Transaction } from '../db/client.js';
import type { Door, Shared } from '../door.js';
import type { KnownSerial } from '../ocsp/responder.js';
import type { Log } from '../log/follow.js';
import type { Issuer } from '../pki/issuer.js';
import type { StoredIssuer } from '../issuers/store.js';
import { createCompactLists } from './compact.js';
import { compactRoutes } from './compact-routes.js';
import { createLists as createListContents, type Lists } from './lists.js';
import { withOrphans } from './orphan-store.js';
import { createImportedStore } from './imported-store.js';
import { createImportedWatch } from './imported-watch.js';
import { createListPem } from './pem.js';
import { createPublisher } from './publisher.js';
import { pkiRoutes } from './routes.js';
import { createRevocationStore } from './store.js';

type Issuers = {
  find(id: string): Promise<StoredIssuer | undefined>;
  unexpired(account: string): Promise<StoredIssuer[]>;
  open(stored: StoredIssuer): Issuer;
  urlsOf(issuerId: string): { crl: string };
  deltaUrlOf(issuerId: string): string;
  size(issuerId: string): Promise<number>;
  chainPem(account: string): Promise<string>;
};

type Deps = Pick<Shared, 'db' | 'clock' | 'onError' | 'tell'> & {
  config: Pick<Config, 'publicUrl'>;
  reader: Pick<Log, 'requireLease' | 'position' | 'catchUp'>;
  issuers: Issuers;
  /** Signs the lists that are tokens. */
  signer: Parameters<typeof createCompactLists>[0]['signer'];
  /** Lists whose contents are kept in memory; a test makes it small. */
  mostLists?: number | undefined;
};

type Verbs = {
  lists: Lists<StoredIssuer>;
  publisher: ReturnType<typeof createPublisher<StoredIssuer>>;
  compact: ReturnType<typeof createCompactLists>;
  /** Opens a list of an issuer. */
  open(tx: Transaction, issuerId: string, scope: string, at: Date): Promise<void>;
  openShards(issuerId: string, count: number, base: string, at: Date): Promise<{ scope: string; url: string }[]>;
  findSerials(issuerId: string, serialNumbers: string[]): Promise<KnownSerial[]>;
};

/** Lists of what is revoked, in every form, and the chains that go with them. */
export function createLists(deps: Deps): Door<Verbs> {
  const { db, clock, reader, issuers, signer, mostLists } = deps;
  const { publicUrl } = deps.config;
  const store = withOrphans(db, createRevocationStore(db));
  const imported = createImportedStore(db);
  const watch = createImportedWatch({ clock, tell: deps.tell, pastHalf: imported.pastHalf });
  const lists = createListContents<StoredIssuer>({
    findIssuer: issuers.find,
    load: store.load,
    lastChange: store.lastChange,
    lastConfigured: store.lastConfigured,
    position: reader.position,
    catchUp: reader.catchUp,
    ...(mostLists === undefined ? {} : { most: mostLists }),
  });
  const publisher = createPublisher<StoredIssuer>({
    store,
    imported: imported.find,
    lists,
    clock,
    log: reader,
    alarm: deps.onError,
    unexpiredIssuers: issuers.unexpired,
    open: issuers.open,
    crlUrl: (issuerId) => issuers.urlsOf(issuerId).crl,
    deltaUrl: issuers.deltaUrlOf,
  });
  const compact = createCompactLists({
    clock,
    contents: publisher.contents,
    size: issuers.size,
    signer,
    tokenIssuer: publicUrl,
    statusUrl: (issuerId) => `${publicUrl}/status/${issuerId}`,
  });
  const refused: Gauge = new Gauge({
    name: 'thingward_lists_refused',
    help: 'Lists that failed their checks on this instance and are not published',
    registers: [],
    collect: () => refused.set(publisher.refusedCount()),
  });
  const { chainPem } = issuers;
  const pki = pkiRoutes({ ...publisher, clock, chainPem, encodePem: createListPem() });
  return {
    verbs: { lists, publisher, compact, open: store.open, openShards: store.shards, findSerials: store.findSerials },
    routes: [compactRoutes(compact), pki],
    pkiRoutes: [pki],
    follows: [lists],
    metrics: [refused, watch.metric],
    chores: [
      // Of two that sign the same list, the database takes the first: a list replaces the one whose number it follows.
      { name: 'sign-lists', everyMs: 60_000, atStart: true, instances: 'one', run: publisher.refresh },
      watch.chore,
    ],
  };
}
