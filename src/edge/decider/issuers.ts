import { X509Certificate } from 'node:crypto';
import type { ControlPlane } from './control-plane.js';

/** The authorities of an account. */
export type Issuers = ReturnType<typeof createIssuers>;

/** Judges who signed a certificate. Dates, revocations and names are judged elsewhere. */
export function createIssuers() {
  let issuing: X509Certificate[] = [];

  return {
    /** Replaces all: each in PEM, first the one that issues, then what is above it. @throws Error for what cannot be read */
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

type Deps = {
  controlPlane: Pick<ControlPlane, 'get'>;
  known: { issuers: Issuers; isLoaded(): boolean; renewIssuers(chains: string[]): void };
  monotonic(): number;
  onError(error: Error): void;
  onSound(): void;
};

const leastMs = 30_000;

/** Reads the authorities again, because no entry of the log shows their certificates. */
export function createIssuerReader({ controlPlane, known, monotonic, onError, onSound }: Deps) {
  let readAt = -Infinity;
  let reading: Promise<void> | undefined;

  const read = async (): Promise<void> => {
    readAt = monotonic();
    const { issuers = [] } = await controlPlane.get<{ issuers?: string[] }>('/v1/edge/snapshot');
    if (known.isLoaded()) known.renewIssuers(issuers);
  };

  /** Nobody who is followed waits for it. */
  const renew = (isWanted: boolean): void => {
    if (!isWanted || reading || monotonic() - readAt < leastMs) return;
    reading = read()
      .then(onSound, onError)
      .finally(() => (reading = undefined));
  };

  return {
    renew,
    /** As the gate has it. One of an authority that is not known here yet is accepted once they were read again. */
    isIssued(der: Uint8Array): boolean {
      const isIssued = known.issuers.isIssued(der);
      if (!isIssued) renew(true);
      return isIssued;
    },
  };
}
