import { hash, randomBytes } from 'node:crypto';

const [count, length] = [10, 24];
// Without letters and digits that are taken for each other (Crockford's base32).
const letters = '0123456789abcdefghjkmnpqrstvwxyz';

/** Ten new codes of 120 random bits: so many that their plain hash may be stored (ASVS 5 6.5.2). */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: count }, () => {
    const code = [...randomBytes(length)].map((byte) => letters[byte % letters.length]).join('');
    return code.replace(/.{6}(?=.)/g, '$&-');
  });
}

/** What is stored of a code, however it is typed. */
export function recoveryHash(person: string, code: string): Buffer {
  const plain = code.toLowerCase().replace(/[^0-9a-z]/g, '');
  return hash('sha256', `recovery ${person} ${plain}`, 'buffer');
}
