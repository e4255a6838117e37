import { X509Certificate } from 'node:crypto';
import { readPem } from '../../pki/pem.js';
import { listsIn, readCrl, type ReadCrl } from '../../pki/read.js';
import { readAuthority } from '../../pki/issuer.js';
import type { Around, Finding } from './finding.js';

type Named = { program: string; line: number; path: string; around: Around };

/**
 * What is wrong with the file of lists that a program reads: deltas alone, lists that have run out, and authorities without one.
 * `authorities` is the file of those that it believes; programs that look at the whole chain need a list for the root too. Nothing is
 * said of files that cannot be read here.
 */
export function listFindings(lists: Named, authorities: string | undefined, chain: 'leaf' | 'whole'): Finding[] {
  const { program, line, path, around } = lists;
  const bytes = around.read(path);
  if (!bytes) return [];
  const said = (rule: string, harm: string, write: string): Finding => ({
    rule: `${program}/${rule}`,
    line,
    harm,
    write,
  });
  let found: ReadCrl[];
  try {
    found = listsIn(bytes).map(readCrl);
  } catch (error) {
    return [said('list-unreadable', `${path} cannot be read: ${(error as Error).message}`, fetchAgain(path))];
  }
  const complete = found.filter(({ isDelta }) => !isDelta);
  if (complete.length === 0)
    return [
      said(
        'only-delta',
        `${path} holds no complete list: every client is refused, or those that were revoked before the delta are let in`,
        fetchAgain(path),
      ),
    ];
  const old = complete.filter(({ nextUpdate }) => nextUpdate <= around.now);
  const lacking = missing(authorities ? around.read(authorities) : undefined, complete, chain);
  return [
    ...old
      .slice(0, 1)
      .map(({ nextUpdate }) =>
        said(
          'list-old',
          `${path} ran out at ${nextUpdate.toISOString()}: nobody fetches it, or nobody reloads the program`,
          `a timer: curl -fsS -o ${path} …/crl/bundle.pem, then reload`,
        ),
      ),
    ...(lacking
      ? [
          said(
            'list-missing-authority',
            `${path} has no list of ${lacking}: ${chain === 'whole' ? 'every client is refused, and who mends that by switching the check off lets revoked devices in' : 'what it revoked is let in'}`,
            fetchAgain(path),
          ),
        ]
      : []),
  ];
}

const fetchAgain = (path: string): string => `curl -fsS -o ${path} https://things.example.com/crl/bundle.pem`;

/** The name of the first authority without a complete list. */
function missing(file: Buffer | undefined, lists: readonly ReadCrl[], chain: 'leaf' | 'whole'): string | undefined {
  if (!file) return undefined;
  try {
    const ders = readPem(file.toString('latin1')).map((block) => block.der);
    const without = ders.find((certificate) => {
      const { subject } = readAuthority(certificate);
      const parsed = new X509Certificate(certificate);
      if (chain === 'leaf' && parsed.subject === parsed.issuer && ders.length > 1) return false;
      return !lists.some(({ issuer }) => issuer.equals(subject));
    });
    return without && new X509Certificate(without).subject.replaceAll('\n', ', ');
  } catch {
    return undefined;
  }
}
