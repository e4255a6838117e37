import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DomainError } from '../../src/errors.js';
import { parseCsr } from '../../src/pki/csr.js';

export const corpusFolder = 'test/fixtures/csrs';

/** The thing that the requests of the corpus are for: one of them names it. */
const uri = 'urn:thingward:default:pump';

/** Why a request is refused: what its detail says, and the row of docs/devices.md that says so. */
export const reasons = {
  'weak-hash': {
    detail: /signed with (MD5|SHA-1|SHA-224)|RSA-PSS signature uses SHA-1/,
    docs: '| a signature with MD2, MD4, MD5, SHA-1 or SHA-224',
  },
  'signature-algorithm': { detail: /signed with the algorithm/, docs: '| another signature algorithm' },
  'rsa-size': { detail: /the RSA key has \d+ bits/, docs: '| RSA below 2048 or above 4096 bits' },
  'rsa-exponent': { detail: /exponent must be 65537/, docs: '| RSA with another exponent than 65537' },
  'key-kind': { detail: /keys of the kind .* are not taken/, docs: '| RSA-PSS keys' },
  curve: { detail: /the curve .* is not taken/, docs: '| P-521, P-224, secp256k1, Brainpool and other curves' },
  'curve-form': {
    detail: /does not name its curve|point uncompressed/,
    docs: '| a curve given by its parameters, a compressed',
  },
  blocks: { detail: /two PEM blocks/, docs: '| two blocks or more' },
  extension: {
    detail: /asks for the extension .* leave the extensions out/,
    docs: '| **an extension beyond the profile**',
  },
} as const;

export type Verdict = 'accepted' | keyof typeof reasons | 'other';

export type CorpusFile = { file: string; maker: string; version: string; command: string; verdict: Verdict };

/** The manifest, with the text of each file. */
export function readCorpus(): (CorpusFile & { text: string })[] {
  const lines = readFileSync(join(corpusFolder, 'manifest.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const entry = JSON.parse(line) as CorpusFile;
    return { ...entry, text: readFileSync(join(corpusFolder, entry.file), 'utf8') };
  });
}

/** What Thingward says to a request. */
export function judge(text: string): { verdict: Verdict; detail?: string } {
  try {
    parseCsr(text, uri);
    return { verdict: 'accepted' };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const found = Object.entries(reasons).find(([, { detail }]) => detail.test(error.message));
    return { verdict: (found?.[0] ?? 'other') as Verdict, detail: error.message };
  }
}
