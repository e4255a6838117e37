import { DomainError } from '../errors.js';
import { namesIn } from '../pki/issuer.js';
import { encodeCertificate } from '../pki/pem.js';
import type { StoredIssuer } from './stored.js';

type Linked = Pick<StoredIssuer, 'id' | 'parentId'>;

// Longer than any chain that is taken: what goes in a circle ends.
const mostLinks = 16;

/** An authority and those above it, up to the root. Of `all` it needs those above. */
export function chainOf<Issuer extends Linked>(issuer: Issuer, all: Issuer[]): Issuer[] {
  const chain = [issuer];
  for (let last = issuer; last.parentId !== null && chain.length < mostLinks; last = chain.at(-1)!) {
    const { parentId } = last;
    const above = all.find(({ id }) => id === parentId);
    if (!above) break;
    chain.push(above);
  }
  return chain;
}

/** The authority that issues now. @throws DomainError `not-found` when it has expired */
export function activeOf<Issuer extends Pick<StoredIssuer, 'kind' | 'status'>>(all: Issuer[]): Issuer {
  const active = all.find(({ kind, status }) => kind === 'issuing' && status === 'active');
  if (active) return active;
  throw new DomainError('not-found', 'the issuing CA of the account has expired: POST /v1/issuers prepares another');
}

/** All of them in the order of bundles: the chain of the one that issues, then the others, each with what is above it. */
export function bundleOf<Issuer extends StoredIssuer>(all: Issuer[]): Issuer[] {
  const active = all.filter(({ kind, status }) => kind === 'issuing' && status === 'active');
  const others = all.filter(({ kind }) => kind === 'issuing');
  const chains = [...active, ...others].flatMap((issuer) => chainOf(issuer, all));
  return [...new Set([...chains, ...all])];
}

/** Certificates in PEM, one after the other. */
export const pemOf = (issuers: Pick<StoredIssuer, 'certificateDer'>[]): string =>
  issuers.map(({ certificateDer }) => encodeCertificate(certificateDer)).join('');

/** Finds which of the authorities issued a device certificate, by its issuer's Name: no two of an account have one. */
export function issuerFinder<Issuer extends StoredIssuer>(
  all: Issuer[],
): (certificateDer: Buffer) => Issuer | undefined {
  const bySubject = new Map(
    all
      .filter(({ kind }) => kind === 'issuing')
      .map((each) => [namesIn(each.certificateDer).subject.toString('base64'), each]),
  );
  return (certificateDer) => bySubject.get(namesIn(certificateDer).issuer.toString('base64'));
}
