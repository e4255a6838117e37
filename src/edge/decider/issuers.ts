import { X509Certificate } from 'node:crypto';

/** The authorities of an account. */
export type Issuers = ReturnType<typeof createIssuers>;

/** Judges who signed a certificate. Dates, revocations and names are judged elsewhere. */
export function createIssuers() {
  let issuing: X509Certificate[] = [];

  return {
    /** Replaces all: each in PEM, first the one that issues, then what is above it. */
    load(chains: readonly string[]): void {
      issuing = chains.map((chain) => new X509Certificate(chain));
    },
    /** Whether one of them signed this certificate (DER). */
    isIssued(der: Uint8Array): boolean {
      try {
        const leaf = new X509Certificate(der);
        return issuing.some((issuer) => leaf.issuer === issuer.subject && leaf.verify(issuer.publicKey));
      } catch {
        return false;
      }
    },
  };
}
