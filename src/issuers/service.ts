import { requireMatch } from '../api/etag.js';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { AppendLog } from '../log/append.js';
import { issuerEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { KeyType } from '../pki/public-key.js';
import type { Sealer } from '../sealing.js';
import { activeOf, bundleOf, chainOf, pemOf } from './chains.js';
import { createMaking } from './making.js';
import { createOffline } from './offline.js';
import type { OfflineStore } from './offline-store.js';
import { createRotation } from './rotation.js';
import { createSigning } from './signing.js';
import type { IssuerStore } from './store.js';
import type { ListSettings, StoredIssuer } from './stored.js';
import { issuerTag } from './tag.js';

type Deps = {
  store: IssuerStore;
  commit: Commit;
  audit: AppendAudit;
  log: AppendLog;
  sealer: Sealer;
  clock: Clock;
  keyType: KeyType;
  pkiUrl: string;
  /** Opens lists under a base URL until an issuer has so many, and returns them. */
  openShards: Parameters<typeof createSigning>[0]['openShards'];
  /** Opens a list of an issuer. */
  openList(tx: Transaction, issuerId: string, scope: string, at: Date): Promise<void>;
  offlineStore: OfflineStore;
  /** The list of an authority that is made here. */
  currentList: Parameters<typeof createOffline>[0]['currentList'];
};

const hasKey = ({ keyPlace }: StoredIssuer): boolean => keyPlace === 'here';

export type IssuerService = ReturnType<typeof createIssuerService>;

/** The certificate authorities of all accounts. */
export function createIssuerService(deps: Deps) {
  const { store, clock } = deps;
  const { forget, ...signing } = createSigning(deps);
  const { unexpired } = signing;
  const making = createMaking({ ...deps, urlsOf: signing.urlsOf });
  const rotation = createRotation({ ...deps, ...signing, making });
  const offline = createOffline({ ...deps, ...signing, store: deps.offlineStore });

  /** @throws DomainError `not-found` */
  const get = async (account: string, id: string): Promise<StoredIssuer> => {
    const found = await store.find(id);
    if (found?.account !== account) throw new DomainError('not-found', `there is no issuer ${id}`);
    return found;
  };

  return {
    ...signing,
    rotation,
    offline,
    prepare: making.prepare,
    get,

    /** The issuers of an account, the newest first, and before them those that wait for a certificate. */
    list: async (account: string): Promise<StoredIssuer[]> => [
      ...(await store.waiting(account)),
      ...(await unexpired(account)),
    ],

    /** When the lists of authorities whose key is elsewhere end, by their ids. */
    listEnds: store.listEnds,

    /** Changes how an issuer's lists are made. @throws DomainError `not-found`, `conflict` for shards of a root, and for a list that is made elsewhere */
    async configure(
      account: string,
      id: string,
      settings: Partial<ListSettings>,
      origin: Origin,
    ): Promise<StoredIssuer> {
      const found = await get(account, id);
      if (found.kind === 'root' && settings.shards)
        throw new DomainError('conflict', 'a root has few certificates: its list cannot be in shards');
      if (found.keyPlace === 'elsewhere')
        throw new DomainError('conflict', `the list of ${id} is made where its key is: nothing can be set here`);
      const changed = await deps.commit(async (tx) => {
        const at = clock();
        const before = await store.lock(tx, id);
        if (before) requireMatch(origin, issuerTag(before));
        const issuer = await store.update(tx, id, settings);
        await deps.audit(tx, {
          at,
          account,
          origin,
          action: 'issuer.configure',
          target: `issuer:${id}`,
          detail: settings,
        });
        await deps.log(tx, at, [issuerEntry(account, id, settings)]);
        return issuer;
      });
      forget(account);
      return changed;
    },

    /** Every unexpired authority of an account, PEM: the chain of the one that issues, then the others. @throws DomainError `not-found` */
    chainPem: async (account: string): Promise<string> => pemOf(bundleOf(await unexpired(account))),

    /** For every unexpired authority that issues, its certificate and those above it, PEM. @throws DomainError `not-found` */
    async chains(account: string): Promise<string[]> {
      const all = await unexpired(account);
      return all.filter(({ kind }) => kind === 'issuing').map((issuing) => pemOf(chainOf(issuing, all)));
    },

    /** The authority that issues. @throws DomainError `not-found` */
    active: async (account: string): Promise<StoredIssuer> => activeOf(await unexpired(account)),

    /** Every unexpired authority of every account whose key is here. */
    all: async (): Promise<StoredIssuer[]> => (await store.allUnexpired(clock())).filter(hasKey),
    /** The same of one account: none for an account that does not exist. */
    inAccount: async (account: string): Promise<StoredIssuer[]> =>
      (await store.unexpired(account, clock())).filter(hasKey),
  };
}
