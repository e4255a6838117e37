import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../config.js';
import type { Tell } from '../logging.js';
import { encodeCertificate, readPem } from '../pki/pem.js';

/** What devices are to believe the server by, in PEM; undefined where that is not said. */
export type Trust = () => Promise<string | undefined>;

/**
 * Returns the function that reads the certificates of a file, every time: a CA that is added counts at once. A file
 * that cannot be used meanwhile is logged, and what it said before stays. @throws ConfigError when it cannot be used now
 */
export function createTrust(file: string | undefined, tell: Tell): Trust {
  if (file === undefined) return () => Promise.resolve(undefined);
  let known: { text: string; pem: string };
  try {
    known = certificatesIn(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`THINGWARD_TLS_CA_FILE names ${file}, which cannot be used: ${(error as Error).message}`);
  }
  let isFailing = false;
  return async () => {
    try {
      const text = await readFile(file, 'utf8');
      if (text !== known.text) known = certificatesIn(text);
      isFailing = false;
    } catch (err) {
      if (!isFailing)
        tell.error({ err, file }, 'the certificates that devices trust cannot be read: the old ones stay');
      isFailing = true;
    }
    return known.pem;
  };
}

function certificatesIn(text: string): { text: string; pem: string } {
  const blocks = readPem(text).filter(({ label }) => label === 'CERTIFICATE');
  if (blocks.length === 0) throw new Error('it has no certificate in PEM');
  for (const { der } of blocks) new X509Certificate(der);
  return { text, pem: blocks.map(({ der }) => encodeCertificate(der)).join('') };
}
