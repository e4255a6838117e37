import { createPrivateKey } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import type { AppendAudit } from '../audit/store.js';
import type { Commit, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { etagOf, requireMatch } from '../api/etag.js';
import { createCertificateIssuer, type DeviceCertificate, type DeviceCertificateRequest } from '../pki/certificate.js';
import { issueIssuing, issueRoot, openIssuer, type Issuer, type PkiUrls } from '../pki/issuer.js';
import { encodeCertificate } from '../pki/pem.js';
import type { KeyType } from '../pki/public-key.js';
import { createSigner, generateKeys } from '../pki/signer.js';
import type { Sealer } from '../sealing.js';
import { createIndexSource } from './index-block.js';
import type { AppendLog } from '../log/append.js';
import { issuerEntry } from '../log/builders.js';
import type { LogEntry } from '../log/entries.js';
import type { Origin } from '../origin.js';
import type { IssuerStore, ListSettings, StoredIssuer } from './store.js';

type Shard = { scope: string; url: string };

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
  openShards(issuerId: string, count: number, base: string, at: Date): Promise<Shard[]>;
};

/** A device certificate, and the list that its distribution point names. */
export type IssuedCertificate = DeviceCertificate & { crlScope: string };

/** The authority that signs an account's device certificates now. */
export type SigningAuthority = {
  issuerId: string;
  issue(request: DeviceCertificateRequest): IssuedCertificate;
  nextIndex(): Promise<bigint>;
  /** Issuing CA, then root. */
  chainPem: string;
  chainDer: Buffer[];
  urls: PkiUrls;
};

const day = 86_400;
const year = 365 * day;
const rootYears = 20;
const issuingYears = 5;
// A CA's notBefore lies further back than any device's, so that clamping never moves a device's.
const backdate = -day;
const cacheMs = 60_000;

export type IssuerService = ReturnType<typeof createIssuerService>;

/** The certificate authorities of all accounts. */
export function createIssuerService(deps: Deps) {
  const { store, sealer, clock, keyType, pkiUrl } = deps;
  const signing = new LRUCache<string, Promise<SigningAuthority>>({ max: 1000, ttl: cacheMs });
  const indices = new LRUCache<string, () => Promise<bigint>>({ max: 10_000 });

  const urlsOf = (issuerId: string): PkiUrls => ({ crl: `${pkiUrl}/crl/${issuerId}.crl`, ocsp: `${pkiUrl}/ocsp` });

  const deltaUrlOf = (issuerId: string): string => `${pkiUrl}/crl/${issuerId}/delta.crl`;

  const open = (stored: StoredIssuer): Issuer => {
    const pkcs8 = sealer.open(stored.sealedKey, `issuer:${stored.id}`);
    const signer = createSigner(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
    return openIssuer(stored.certificateDer, stored, signer);
  };

  const unexpired = async (account: string): Promise<StoredIssuer[]> => {
    const issuers = await store.unexpired(account, clock());
    if (issuers.length === 0) throw new DomainError('not-found', `there is no account ${account}`);
    return issuers;
  };

  const openSigning = async (account: string): Promise<SigningAuthority> => {
    const issuers = await unexpired(account);
    const chain = chainOf(issuers);
    const issuer = open(chain[0]!);
    let nextIndex = indices.get(issuer.id);
    if (!nextIndex)
      indices.set(issuer.id, (nextIndex = createIndexSource((count) => store.reserveIndices(issuer.id, count))));
    const chainDer = chain.map(({ certificateDer }) => certificateDer);
    const urls = urlsOf(issuer.id);
    return {
      issuerId: issuer.id,
      issue: await issueOver(issuer, chain[0]!),
      nextIndex,
      chainPem: pemOf(chainDer),
      chainDer,
      urls,
    };
  };

  /** Issues under one CA. Where its list is in shards, a certificate's index says which is its own. */
  const issueOver = async (
    issuer: Issuer,
    { shards: count, deltaList }: StoredIssuer,
  ): Promise<SigningAuthority['issue']> => {
    const base = `${pkiUrl}/crl/${issuer.id}/`;
    const shards = count === 0 ? [] : await deps.openShards(issuer.id, count, base, clock());
    const { crl, ocsp } = urlsOf(issuer.id);
    // The delta is of the complete list: a certificate on a shard has none.
    const delta = deltaList && shards.length === 0 ? deltaUrlOf(issuer.id) : undefined;
    const lists = shards.length === 0 ? [{ scope: 'complete', url: crl }] : shards;
    const issuers = lists.map(({ scope, url }) => ({
      scope,
      issue: createCertificateIssuer(issuer, { crl: url, ocsp, delta }),
    }));
    return (request) => {
      const { scope, issue } = issuers[Number(request.index % BigInt(issuers.length))]!;
      return { ...issue(request), crlScope: scope };
    };
  };

  return {
    /** The issuers of an account, the newest first. */
    list: (account: string): Promise<StoredIssuer[]> => unexpired(account),

    /** Changes how an issuer's lists are made. @throws DomainError `not-found`, `conflict` for shards of a root */
    async configure(
      account: string,
      id: string,
      settings: Partial<ListSettings>,
      origin: Origin,
    ): Promise<StoredIssuer> {
      const found = await store.find(id);
      if (found?.account !== account) throw new DomainError('not-found', `there is no issuer ${id}`);
      if (found.kind === 'root' && settings.shards)
        throw new DomainError('conflict', 'a root has few certificates: its list cannot be in shards');
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
      signing.delete(account);
      return changed;
    },

    /** @throws DomainError `not-found` */
    async get(account: string, id: string): Promise<StoredIssuer> {
      const found = await store.find(id);
      if (found?.account !== account) throw new DomainError('not-found', `there is no issuer ${id}`);
      return found;
    },

    /** Signs under an account's new settings from the next certificate on. */
    apply(entry: LogEntry): void {
      switch (entry.type) {
        case 'issuer':
          return void signing.delete(entry.account);
        case 'certificate':
        case 'release':
        case 'thing':
        case 'thing-changed':
        case 'token-family':
        case 'policy':
        case 'segment':
        case 'key':
        case 'token-keys':
        case 'account':
        case 'session':
        case 'person':
        case 'unknown':
          return;
      }
    },

    /** Forgets what was remembered of every account: the log is another one. */
    clear: (): void => signing.clear(),

    /** @throws DomainError `not-found` for an account that does not exist. */
    signing(account: string): Promise<SigningAuthority> {
      const cached = signing.get(account);
      if (cached) return cached;
      const opened = openSigning(account);
      signing.set(account, opened);
      opened.catch(() => {
        if (signing.peek(account) === opened) signing.delete(account);
      });
      return opened;
    },

    /** Issuing CA, then root, as PEM. @throws DomainError `not-found` */
    async chainPem(account: string): Promise<string> {
      return pemOf(chainOf(await unexpired(account)).map(({ certificateDer }) => certificateDer));
    },

    unexpired,
    /** Every unexpired authority of every account. */
    all: (): Promise<StoredIssuer[]> => store.allUnexpired(clock()),
    /** The same of one account: none for an account that does not exist. */
    inAccount: (account: string): Promise<StoredIssuer[]> => store.unexpired(account, clock()),
    open,
    urlsOf,
    deltaUrlOf,

    /**
     * Makes a root and an issuing CA for a new account and returns what writes them. Their keys leave
     * this function sealed.
     */
    async prepare(account: string): Promise<{ issuers: Issuer[]; insert(tx: Transaction): Promise<void> }> {
      const at = wholeSeconds(clock());
      const validity = (years: number) => ({
        notBefore: addSeconds(at, backdate),
        notAfter: addSeconds(at, years * year),
      });
      const [rootKey, issuingKey] = [
        (await generateKeys(keyType)).privateKey,
        (await generateKeys(keyType)).privateKey,
      ];
      const root = issueRoot(account, validity(rootYears), createSigner(rootKey));
      const issuing = issueIssuing(account, root, urlsOf(root.id), validity(issuingYears), createSigner(issuingKey));
      const seal = (id: string, key: typeof rootKey) =>
        sealer.seal(key.export({ type: 'pkcs8', format: 'der' }), `issuer:${id}`);
      const insert = async (tx: Transaction) => {
        const common = { account, ...firstSettings };
        await store.insert(
          tx,
          { ...common, ...stored(root), kind: 'root', parentId: null, sealedKey: seal(root.id, rootKey) },
          at,
        );
        await store.insert(
          tx,
          {
            ...common,
            ...stored(issuing),
            kind: 'issuing',
            parentId: root.id,
            sealedKey: seal(issuing.id, issuingKey),
          },
          at,
        );
      };
      return { issuers: [root, issuing], insert };
    },
  };
}

const firstSettings: ListSettings = {
  listSuperseded: false,
  shards: 0,
  deltaList: false,
  distributionPoint: false,
  listMaxAge: 0,
};

function stored({ id, certificateDer, notBefore, notAfter }: Issuer) {
  return { id, certificateDer, notBefore, notAfter };
}

/** The ETag of an issuer: of its settings. */
export function issuerTag({
  id,
  listSuperseded,
  shards,
  deltaList,
  distributionPoint,
  listMaxAge,
}: StoredIssuer): string {
  return etagOf('issuer', id, listSuperseded, shards, deltaList, distributionPoint, listMaxAge);
}

function chainOf(issuers: StoredIssuer[]): StoredIssuer[] {
  const issuing = issuers.find(({ kind }) => kind === 'issuing');
  const root = issuers.find(({ id }) => id === issuing?.parentId);
  if (!issuing || !root) throw new Error('an account has no issuing CA that is still valid');
  return [issuing, root];
}

function pemOf(chain: Buffer[]): string {
  return chain.map(encodeCertificate).join('');
}
