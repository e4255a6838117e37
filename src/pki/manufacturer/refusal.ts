import { DomainError } from '../../errors.js';
import { DerError } from '../der.js';

/** The error for a manufacturer's certificate that admits nobody; `why` begins in the middle of a sentence and ends in a next step. */
export function refuseDevice(why: string): DomainError {
  return new DomainError('manufacturer-refused', `the manufacturer's certificate was refused: ${why}`);
}

/** Does work that judges what a device sent; whatever is wrong with it is one kind of refusal. @throws DomainError `manufacturer-refused` */
export function judging<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof DerError) throw refuseDevice(`it is ${error.message}`);
    if (error instanceof DomainError && error.code !== 'manufacturer-refused')
      throw refuseDevice(error.message.replace(/^the certificate was refused: /, ''));
    if (error instanceof Error && 'code' in error && /^ERR_(OSSL|CRYPTO)/.test(String(error.code)))
      throw refuseDevice('OpenSSL cannot read it');
    throw error;
  }
}
