import { expect, it } from 'vitest';
import { DomainError } from '../../../src/errors.js';
import { readAnchor } from '../../../src/pki/manufacturer/anchor.js';
import { readManufacturerList } from '../../../src/pki/manufacturer/list.js';
import { nameFrom } from '../../../src/pki/manufacturer/names.js';
import { requireDevice } from '../../../src/pki/manufacturer/path.js';
import { judging } from '../../../src/pki/manufacturer/refusal.js';
import { createManufacturer } from '../../support/provisioning/manufacturer.js';
import { describeWith } from '../../support/programs.js';
import { seeded } from '../../support/seeded.js';

const rounds = 3000;

/** The code of the refusal; `taken` without one. Anything else that is thrown fails the test. */
function codeOf(work: () => unknown): string {
  try {
    work();
    return 'taken';
  } catch (error) {
    if (error instanceof DomainError) return error.code;
    throw error;
  }
}

describeWith(['openssl'], 'certificates and lists of which some bits are others', () => {
  it('are refused, each with a problem, and none is taken', () => {
    const works = createManufacturer();
    works.make('sub', { subject: '/O=Works/CN=Line', lines: works.caLines() });
    works.make('1', { subject: '/serialNumber=1', by: 'sub' });
    const chain = works.deviceOf('1', 'sub').chain.map(({ raw }) => raw);
    const list = Buffer.from(works.list(1, ['1']).replace(/-----[^-]+-----|\s/g, ''), 'base64');
    works.remove();
    // After everything was made, however long that took.
    const at = new Date();
    const anchor = readAnchor(works.pem, at);
    const judge = (sent: Buffer[]) =>
      codeOf(() => judging(() => nameFrom('d-{serialNumber}', requireDevice(anchor, sent, at))));
    const read = (bytes: Buffer) => codeOf(() => readManufacturerList(bytes.toString('base64'), anchor, at));
    expect([judge(chain), read(list)]).toEqual(['taken', 'taken']);
    const random = seeded('bits of certificates');
    const bent = (bytes: Buffer): Buffer => {
      const copy = Buffer.from(bytes);
      for (let n = random.below(3); n >= 0; n--) copy[random.below(copy.length)]! ^= 1 << random.below(8);
      return copy.equals(bytes) || random.chance(0.1) ? copy.subarray(0, random.below(copy.length)) : copy;
    };
    const codes = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const n = round % 2;
      codes.add(judge(chain.map((each, at) => (at === n ? bent(each) : each))));
      codes.add(read(bent(list)));
    }
    expect([...codes].sort()).toEqual(['bad-crl', 'manufacturer-refused']);
  });
});
