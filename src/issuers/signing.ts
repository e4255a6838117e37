import { createPrivateKey } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { LogEntry } from '../log/entries.js';
import { createCertificateIssuer, type DeviceCertificate, type DeviceCertificateRequest } from '../pki/certificate.js';
import { openIssuer, type Issuer, type PkiUrls } from '../pki/issuer.js';
import { createSigner } from '../pki/signer.js';
import { sealedAs, type Sealer } from '../sealing.js';
import { activeOf, bundleOf, chainOf, issuerFinder } from './chains.js';
import { createIndexSource } from './index-block.js';
import type { IssuerStore } from './store.js';
import type { StoredIssuer } from './stored.js';

type Shard = { scope: string; url: string };

type Deps = {
  store: Pick<IssuerStore, 'unexpired' | 'reserveIndices'>;
  sealer: Pick<Sealer, 'open'>;
  clock: Clock;
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
  /** Every unexpired authority of the account, in DER: who verifies device certificates needs them all. */
  allDer: Buffer[];
  /** The certificates above a device certificate, in DER, up to the root; empty where its issuer has expired. */
  chainFor(certificateDer: Buffer): Buffer[];
  urls: PkiUrls;
};

const cacheMs = 60_000;

export type Signing = ReturnType<typeof createSigning>;

/** Opens authorities, and remembers those that sign. */
export function createSigning({ store, sealer, clock, pkiUrl, openShards }: Deps) {
  const signing = new LRUCache<string, Promise<SigningAuthority>>({ max: 1000, ttl: cacheMs });
  const indices = new LRUCache<string, () => Promise<bigint>>({ max: 10_000 });

  const urlsOf = (issuerId: string): PkiUrls => ({ crl: `${pkiUrl}/crl/${issuerId}.crl`, ocsp: `${pkiUrl}/ocsp` });

  const deltaUrlOf = (issuerId: string): string => `${pkiUrl}/crl/${issuerId}/delta.crl`;

  const open = (stored: StoredIssuer): Issuer => {
    const pkcs8 = sealer.open(stored.sealedKey, sealedAs.issuer(stored.id));
    const signer = createSigner(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
    return openIssuer(stored.certificateDer, stored, signer);
  };

  /** @throws DomainError `not-found` for an account that does not exist */
  const unexpired = async (account: string): Promise<StoredIssuer[]> => {
    const issuers = await store.unexpired(account, clock());
    if (issuers.length === 0) throw new DomainError('not-found', `there is no account ${account}`);
    return issuers;
  };

  const indexSourceOf = (issuerId: string): (() => Promise<bigint>) => {
    const known = indices.get(issuerId);
    if (known) return known;
    const source = createIndexSource((count) => store.reserveIndices(issuerId, count));
    indices.set(issuerId, source);
    return source;
  };

  /** Issues under one CA. Where its list is in shards, a certificate's index says which is its own. */
  const issueOver = async (
    issuer: Issuer,
    { shards: count, deltaList }: StoredIssuer,
  ): Promise<SigningAuthority['issue']> => {
    const base = `${pkiUrl}/crl/${issuer.id}/`;
    const shards = count === 0 ? [] : await openShards(issuer.id, count, base, clock());
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

  const openSigning = async (account: string): Promise<SigningAuthority> => {
    const all = await unexpired(account);
    const active = activeOf(all);
    const issuer = open(active);
    const find = issuerFinder(all);
    const ders = (of: StoredIssuer[]): Buffer[] => of.map(({ certificateDer }) => certificateDer);
    return {
      issuerId: issuer.id,
      issue: await issueOver(issuer, active),
      nextIndex: indexSourceOf(issuer.id),
      allDer: ders(bundleOf(all)),
      chainFor(certificateDer) {
        const found = find(certificateDer);
        return found ? ders(chainOf(found, all)) : [];
      },
      urls: urlsOf(issuer.id),
    };
  };

  return {
    open,
    unexpired,
    urlsOf,
    deltaUrlOf,

    /** Signs under what an account has from the next certificate on. */
    forget: (account: string): void => void signing.delete(account),

    /** The authority that signs for an account. @throws DomainError `not-found` for an account that does not exist */
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
        case 'command':
        case 'pipeline':
        case 'person':
        case 'authority':
        case 'unknown':
          return;
      }
    },

    /** Forgets what was remembered of every account: the log is another one. */
    clear: (): void => signing.clear(),
  };
}
