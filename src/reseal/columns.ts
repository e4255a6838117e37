import { sealedAs } from '../sealing.js';

/** A column with something sealed in it. */
export type SealedColumn = {
  /** What stands there, for people. */
  what: string;
  table: string;
  id: string;
  /** The type of the id in the database. */
  idType: 'text' | 'uuid';
  column: string;
  /** The column that the context is made of. */
  about: string;
  context(about: string): string;
};

const uuid = { id: 'id', idType: 'uuid', about: 'id' } as const;

/** Every column with something sealed in it: a test holds this list against the schema. */
export const sealedColumns: SealedColumn[] = [
  {
    ...{ what: 'keys of authorities', table: 'issuers', column: 'sealed_key' },
    ...{ id: 'id', idType: 'text', about: 'id', context: sealedAs.issuer },
  },
  {
    ...{ what: 'token keys', table: 'token_keys', column: 'sealed' },
    ...{ id: 'kid', idType: 'text', about: 'kid', context: sealedAs.tokenKey },
  },
  { ...uuid, what: 'second factors', table: 'people', column: 'totp_sealed', context: sealedAs.totp },
  {
    ...uuid,
    ...{ what: 'secrets of sign-in providers', table: 'sign_in_providers', column: 'secret_sealed' },
    context: sealedAs.provider,
  },
  {
    ...{ ...uuid, about: 'provider_id' },
    ...{ what: 'refresh tokens of sign-in providers', table: 'person_sessions', column: 'refresh_sealed' },
    context: sealedAs.providerRefresh,
  },
  {
    ...uuid,
    ...{ what: 'secrets of webhooks and channels', table: 'receivers', column: 'secret_sealed' },
    context: sealedAs.receiver,
  },
  {
    ...uuid,
    ...{ what: 'secrets of checks', table: 'enrollments', column: 'check_secret_sealed' },
    context: sealedAs.enrollmentCheck,
  },
];
