import { DomainError } from '../../errors.js';

/** The error for certificates that make no chain to an authority; `why` begins in the middle of a sentence and ends in a next step. */
export function refuseChain(why: string): DomainError {
  return new DomainError('bad-chain', `the certificate was refused: ${why}`);
}
