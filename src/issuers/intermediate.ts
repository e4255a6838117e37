import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { readAuthorityChain } from '../pki/chain/chain.js';
import type { AuthorityCertificate } from '../pki/chain/authority-certificate.js';
import { issuerId, namesIn, readAuthority } from '../pki/issuer.js';
import type { IssuerStore } from './store.js';
import { firstSettings, firstState, type StoredIssuer } from './stored.js';

type Install = {
  tx: Transaction;
  store: Pick<IssuerStore, 'insert' | 'update' | 'taken'>;
  at: Date;
  /** Every unexpired authority of the account. */
  all: StoredIssuer[];
  found: StoredIssuer;
  /** The certificate and those above it. */
  pem: string;
  /** The key that the certificate must be for. */
  spki: Buffer;
};

/**
 * Writes the certificate of an authority that waits for it, and those above it. Returns the authority, `found` itself where it has this certificate
 * already, and what is above it from the nearest on. @throws DomainError `bad-chain`, `conflict`
 */
export async function installCertificate(install: Install): Promise<{ issuer: StoredIssuer; chain: StoredIssuer[] }> {
  const { tx, store, at, all, found, pem, spki } = install;
  const { own, above } = readAuthorityChain(pem, { spki, account: found.account, at });
  if (found.status !== 'waiting') {
    if (found.certificateDer.equals(own.der)) return { issuer: found, chain: [] };
    throw new DomainError('conflict', `${found.id} has another certificate already: prepare another intermediate`);
  }
  requireOwnName(own, all);
  const chain = await insertAbove(install, above);
  const issuer = await store.update(tx, found.id, {
    status: 'prepared',
    parentId: chain[0]!.id,
    certificateDer: own.der,
    notBefore: own.notBefore,
    notAfter: soonest([own, ...above]),
  });
  return { issuer, chain };
}

// Readers look for lists and authorities by name.
function requireOwnName({ subject }: AuthorityCertificate, all: StoredIssuer[]): void {
  const isTaken = all.some(
    ({ certificateDer }) => certificateDer.length > 0 && namesIn(certificateDer).subject.equals(subject),
  );
  if (isTaken)
    throw new DomainError(
      'bad-chain',
      'another authority of the account has the same subject: sign the request as it is',
    );
}

/** Writes those above that are new, the root first. Each belongs to one account: whoever trusts it trusts what is below. */
async function insertAbove({ tx, store, at, found }: Install, above: AuthorityCertificate[]): Promise<StoredIssuer[]> {
  const wanted = above.map((certificate, n) => ({ certificate, id: idOf(certificate), below: above.slice(n) }));
  const ids = wanted.map(({ id }) => id).sort();
  const taken = new Map((await store.taken(tx, ids)).map((each) => [each.id, each]));
  const chain: StoredIssuer[] = [];
  for (const { certificate, id, below } of wanted.reverse()) {
    const known = taken.get(id);
    if (known) requireSame(known, certificate, found.account);
    const issuer = known ?? {
      ...firstSettings,
      ...firstState,
      id,
      account: found.account,
      kind: 'root',
      keyPlace: 'elsewhere',
      intermediate: below.length > 1,
      parentId: chain[0]?.id ?? null,
      certificateDer: certificate.der,
      sealedKey: Buffer.alloc(0),
      notBefore: certificate.notBefore,
      notAfter: soonest(below),
    };
    if (!known && !(await store.insert(tx, issuer, at))) throw ofAnother();
    chain.unshift(issuer);
  }
  return chain;
}

/** @throws DomainError `conflict` */
function requireSame(known: StoredIssuer, { der, x509 }: AuthorityCertificate, account: string): void {
  if (known.account !== account) throw ofAnother();
  if (!known.certificateDer.equals(der))
    throw new DomainError(
      'conflict',
      `the account knows the key of "${x509.subject.replaceAll('\n', ', ')}" by another certificate: send that one`,
    );
}

function ofAnother(): DomainError {
  return new DomainError(
    'conflict',
    'an authority of the chain belongs to another account, and whoever trusts it would trust the devices of both: use another root',
  );
}

function idOf({ der }: AuthorityCertificate): string {
  return issuerId(readAuthority(der).subjectPublicKey);
}

function soonest(certificates: AuthorityCertificate[]): Date {
  return new Date(Math.min(...certificates.map(({ notAfter }) => notAfter.getTime())));
}
