import type { Schemas } from '../api.js';

/** An enrollment of kind `ca` as somebody types it. */
export type AuthorityDraft = {
  certificates: string;
  thingName: string;
  pattern: string;
  maxUses: string;
  policies: string;
  admits: 'proved' | 'expected';
  proof: string;
};

/** One that nobody has touched yet. */
export const firstAuthority: AuthorityDraft = {
  certificates: '',
  thingName: 'meter-{serialNumber}',
  pattern: 'meter-*',
  maxUses: '1000',
  policies: 'sensor',
  admits: 'proved',
  proof: '',
};

/** The enrollment as the API reads it. */
export function authorityBodyOf(draft: AuthorityDraft): Schemas['NewEnrollment'] {
  const { certificates, thingName, pattern, maxUses, admits, proof } = draft;
  const policies = draft.policies.split(/[\s,]+/).filter((word) => word !== '');
  const isProved = admits === 'proved' && proof.trim() !== '';
  return {
    kind: 'ca',
    thingNamePattern: pattern.trim(),
    maxUses: Number(maxUses),
    ...(policies.length === 0 ? {} : { policies }),
    ...(admits === 'expected' ? { expectedOnly: true } : {}),
    ca: {
      certificates: certificates.trim(),
      thingName: thingName.trim(),
      ...(isProved ? { verificationCertificate: proof.trim() } : {}),
    },
  };
}
