import { DomainError } from '../../errors.js';

/** The error for a certificate request that is not taken; `why` begins in the middle of a sentence and ends in a next step. */
export function refuse(why: string): DomainError {
  return new DomainError('bad-csr', `the certificate request was refused: ${why}`);
}
