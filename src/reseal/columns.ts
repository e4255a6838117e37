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

/** Every column with something sealed in it: a test holds this list against the schema. */
export const sealedColumns: SealedColumn[] = [
  {
    what: 'keys of authorities',
    table: 'issuers',
    id: 'id',
    idType: 'text',
    column: 'sealed_key',
    about: 'id',
    context: sealedAs.issuer,
  },
  {
    what: 'token keys',
    table: 'token_keys',
    id: 'kid',
    idType: 'text',
    column: 'sealed',
    about: 'kid',
    context: sealedAs.tokenKey,
  },
  {
    what: 'second factors',
    table: 'people',
    id: 'id',
    idType: 'uuid',
    column: 'totp_sealed',
    about: 'id',
    context: sealedAs.totp,
  },
  {
    what: 'secrets of sign-in providers',
    table: 'sign_in_providers',
    id: 'id',
    idType: 'uuid',
    column: 'secret_sealed',
    about: 'id',
    context: sealedAs.provider,
  },
  {
    what: 'refresh tokens of sign-in providers',
    table: 'person_sessions',
    id: 'id',
    idType: 'uuid',
    column: 'refresh_sealed',
    about: 'provider_id',
    context: sealedAs.providerRefresh,
  },
  {
    what: 'secrets of webhooks and channels',
    table: 'receivers',
    id: 'id',
    idType: 'uuid',
    column: 'secret_sealed',
    about: 'id',
    context: sealedAs.receiver,
  },
  {
    what: 'secrets of checks',
    table: 'enrollments',
    id: 'id',
    idType: 'uuid',
    column: 'check_secret_sealed',
    about: 'id',
    context: sealedAs.enrollmentCheck,
  },
];
