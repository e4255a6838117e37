/**
 * The calls that the mirror makes, and how many of each a second AWS takes by default; what AWS does not publish is
 * eight. All of them differ by region and can be raised.
 */
export const defaultRates = {
  AddThingToThingGroup: 100,
  AttachPolicy: 8,
  AttachThingPrincipal: 100,
  CreatePolicy: 8,
  CreatePolicyVersion: 8,
  CreateThing: 100,
  CreateThingGroup: 25,
  CreateThingType: 15,
  DeleteCertificate: 8,
  DeleteConnection: 8,
  DeletePolicy: 8,
  DeletePolicyVersion: 8,
  DeleteThing: 100,
  DescribeCertificate: 8,
  DescribeThing: 350,
  DetachPolicy: 8,
  DetachThingPrincipal: 100,
  GetPolicy: 8,
  ListAttachedPolicies: 8,
  ListCertificates: 8,
  ListPolicies: 8,
  ListPolicyVersions: 8,
  ListPrincipalThings: 10,
  ListTargetsForPolicy: 8,
  ListThingPrincipals: 10,
  ListThings: 10,
  ListThingsInThingGroup: 10,
  RegisterCACertificate: 8,
  RegisterCertificate: 8,
  RegisterCertificateWithoutCA: 8,
  UpdateCertificate: 8,
  UpdateThing: 100,
} as const;

/** A call of AWS IoT that the mirror makes. */
export type AwsCall = keyof typeof defaultRates;

/** Every {@link AwsCall}. */
export const awsCalls = Object.keys(defaultRates) as AwsCall[];

/** Calls a second, for those that are not as AWS has them by default. */
export type AwsRates = Partial<Record<AwsCall, number>>;
