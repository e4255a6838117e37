import type { Origin } from '../origin.js';
import type { RevocationReason } from '../pki/crl.js';
import type { HeldCertificate } from '../registry.js';
import { releaseCertificate, revokeCertificate } from './one-certificate.js';
import type { RevokeDeps } from './revoke.js';
import { freeNames, resumeThing, revokeSelf, revokeThing, suspendThing } from './whole-thing.js';

export type RevokeService = ReturnType<typeof createRevokeService>;

/** Revoking, holding and releasing. What these resolve to is in every answer of every instance by then. */
export function createRevokeService(deps: RevokeDeps) {
  return {
    revokeCertificate: (account: string, serialNumber: string, reason: RevocationReason, origin: Origin) =>
      revokeCertificate(deps, account, serialNumber, reason, origin),
    releaseCertificate: (account: string, serialNumber: string, origin: Origin) =>
      releaseCertificate(deps, account, serialNumber, origin),
    revokeThing: (
      account: string,
      name: string,
      reason: RevocationReason,
      origin: Origin,
      options?: { deletes?: boolean },
    ) => revokeThing(deps, account, name, reason, origin, options),
    revokeSelf: (certificate: HeldCertificate, reason: RevocationReason, origin: Origin) =>
      revokeSelf(deps, certificate, reason, origin),
    suspendThing: (account: string, name: string, origin: Origin) => suspendThing(deps, account, name, origin),
    resumeThing: (account: string, name: string, origin: Origin) => resumeThing(deps, account, name, origin),
    freeNames: () => freeNames(deps),
  };
}
