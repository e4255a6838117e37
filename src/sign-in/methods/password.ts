import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { Counter } from 'prom-client';
import { DomainError } from '../../errors.js';

// 128 MiB for each: one at a time, and few wait.
const cost = { N: 2 ** 17, r: 8, p: 1, maxmem: 192 * 1024 * 1024 };
const mostWaiting = 16;
const bytes = 32;

export type Passwords = ReturnType<typeof createPasswords>;

/** Hashes passwords with scrypt, one at a time, in the order in which they come. */
export function createPasswords() {
  const hashes = new Counter({
    name: 'thingward_password_hashes_total',
    help: 'Passwords that were hashed, to set or to check one',
    registers: [],
  });
  let [last, waiting] = [Promise.resolve(), 0];

  const derive = async (password: string, salt: Buffer): Promise<Buffer> => {
    if (waiting > mostWaiting)
      throw new DomainError('too-many-requests', 'too many people sign in with passwords at once: try again', {
        retryAfter: 5,
      });
    waiting++;
    hashes.inc();
    const work = last.then(() => hash(password, salt));
    last = work.then(noted, noted);
    return work.finally(() => waiting--);
  };

  return {
    metrics: [hashes],

    /** A hash to store, with its salt and cost. @throws DomainError `too-many-requests` */
    async hash(password: string): Promise<string> {
      const salt = randomBytes(16);
      const derived = await derive(password, salt);
      return `scrypt$${cost.N}$${cost.r}$${cost.p}$${salt.toString('base64')}$${derived.toString('base64')}`;
    },

    /**
     * Whether a password belongs to a stored hash. Without one it is never right, after the same work. @throws DomainError `too-many-requests`
     */
    async isRight(password: string, stored: string | null | undefined): Promise<boolean> {
      const [salt, wanted] = (stored ?? nobodys).split('$').slice(4);
      const derived = await derive(password, Buffer.from(salt!, 'base64'));
      return timingSafeEqual(derived, Buffer.from(wanted!, 'base64')) && typeof stored === 'string';
    },
  };
}

const nobodys = `scrypt$${cost.N}$${cost.r}$${cost.p}$${randomBytes(16).toString('base64')}$${randomBytes(bytes).toString('base64')}`;
const noted = (): void => {};

function hash(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, bytes, cost, (error, derived) =>
      error ? reject(error) : resolve(derived),
    );
  });
}

/** Refuses what is guessed first: what says the name, and what repeats or counts. @throws DomainError `invalid-request` */
export function requireFitPassword(password: string, name: string): void {
  const text = password.normalize('NFC').toLowerCase();
  const isPlain = new Set(text).size < 6 || (name.length > 3 && text.replaceAll(name.toLowerCase(), '').length < 8);
  if (isPlain || isRun(text))
    throw new DomainError(
      'invalid-request',
      'password: is one of the first that would be guessed; take some unrelated words',
    );
}

/** Mostly characters that follow each other, as in 123456789012 or abcdefghijkl. */
function isRun(text: string): boolean {
  let steps = 0;
  for (let n = 1; n < text.length; n++) if (Math.abs(text.charCodeAt(n) - text.charCodeAt(n - 1)) <= 1) steps++;
  return steps * 2 > text.length;
}
