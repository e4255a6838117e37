const ofCertificates = ['certificate', 'connection', 'policies', 'principal'] as const;

type OfCertificate = (typeof ofCertificates)[number];

/** What a step is about: the thing, its group, the document of a policy, or one certificate. SQL reads these names too. */
export type StepName = 'thing' | 'group' | 'document' | `${OfCertificate}:${string}`;

/** The name of a step about one certificate. */
export function stepOf<Kind extends OfCertificate>(kind: Kind, fingerprint: string): `${Kind}:${string}` {
  return `${kind}:${fingerprint}`;
}

/** What {@link stepOf} joined. The fingerprint of a step about no certificate is empty. */
export function readStep(step: StepName): {
  kind: 'thing' | 'group' | 'document' | OfCertificate;
  fingerprint: string;
} {
  if (step === 'thing' || step === 'group' || step === 'document') return { kind: step, fingerprint: '' };
  const kind = ofCertificates.find((each) => step.startsWith(`${each}:`))!;
  return { kind, fingerprint: step.slice(kind.length + 1) };
}
