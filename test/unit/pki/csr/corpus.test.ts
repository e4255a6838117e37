import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/errors.js';
import { parseCsr } from '../../../support/pki/csr.js';

/** `refused` is why Thingward does not take it, in the words of `reasons`. */
type Request = { name: string; made: string; csr: string; readers: Record<string, boolean>; refused?: string };
type Corpus = { maker: string; requests: Request[] };

const folder = 'test/support/pki/csr-corpus';
const corpora = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Corpus);

/** What docs/devices.md says is refused, with the words of the answer. */
const reasons: Record<string, RegExp> = {
  'a weak hash': /^bad-csr: .*(signed with (MD5|SHA-1|SHA-224)|uses SHA-1 or another weak hash)/,
  'another signature algorithm': /^bad-csr: .*signed with the algorithm/,
  'another curve': /^bad-key: the curve \S+ is not taken/,
  'another kind of key': /^bad-key: keys of the kind (RSA-PSS|Ed448|DSA)/,
  'RSA too short or too long': /^bad-key: the RSA key has \d+ bits/,
  'another exponent': /^bad-key: the RSA exponent must be 65537/,
  'a curve without a name': /^bad-key: the key does not name its curve/,
  'a compressed point': /^bad-key: send the point uncompressed/,
  'an extension beyond the profile': /^bad-csr: .*it asks for the extension/,
};

/** Why a request is refused; undefined when it is taken. */
function refusalOf(csr: string): string | undefined {
  try {
    parseCsr(csr, 'urn:thingward:default:corpus');
    return undefined;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const said = `${error.code}: ${error.message}`;
    return Object.keys(reasons).find((reason) => reasons[reason]!.test(said)) ?? said;
  }
}

describe('requests that other programs made', () => {
  const counts: string[] = [];
  afterAll(() => console.log(counts.join('\n')));

  it.each(corpora)('$maker', ({ maker, requests }) => {
    const found = requests.map(({ name, csr }) => [name, refusalOf(csr) ?? 'taken']);
    expect(found).toEqual(requests.map(({ name, refused = 'taken' }) => [name, refused]));
    const count = (reason: string): number => found.filter(([, each]) => each === reason).length;
    const refused = Object.keys(reasons).filter((reason) => count(reason) > 0);
    counts.push(
      `${maker}: ${requests.length}, taken ${count('taken')}${refused.map((reason) => `; ${reason} ${count(reason)}`).join('')}`,
    );
  });

  it('takes nothing that OpenSSL does not read', () => {
    const taken = corpora.flatMap(({ requests }) => requests.filter(({ refused }) => refused === undefined));
    expect(taken.length).toBeGreaterThan(150);
    expect(taken.filter(({ readers }) => !readers['OpenSSL'])).toEqual([]);
  });
});
