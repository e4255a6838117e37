import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeCrlEntry, type RevocationReason } from '../../../src/pki/crl.js';
import { createEntries, type Listed } from '../../../src/lists/entries.js';
import { seeded } from '../../support/seeded.js';

const random = seeded('entries of a list');
const rounds = Number(process.env['LISTED_ROUNDS'] ?? 60);

type Known = Listed & { serialNumber: string; reason: RevocationReason };

const listed = (position: number): Known => {
  const serialNumber = `01${randomBytes(19).toString('hex')}`;
  const reason = random.below(2) === 0 ? 'unspecified' : 'keyCompromise';
  const date = position * 1000;
  const der = encodeCrlEntry({ serialNumber, revokedAt: new Date(date), reason });
  return { serialNumber, reason, position, der, until: random.between(1, 1000), date, index: position * 7 };
};

const datedUpTo = (known: Known, latest: Date): Known => ({
  ...known,
  der: encodeCrlEntry({ ...known, revokedAt: new Date(Math.min(known.date, latest.getTime())) }),
});

const bytesOf = (known: Known[]): Buffer => Buffer.concat(known.map(({ der }) => der));

describe('the entries of a list', () => {
  it('are what a plain array of them would be, after any adding, removing and expiring; a view stays what it was', () => {
    let [steps, views] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      const entries = createEntries();
      let plain: Known[] = [];
      const kept: { view: ReturnType<typeof entries.view>; bytes: Buffer }[] = [];
      for (let position = 1; position <= 600; position++, steps++) {
        const dice = random.below(100);
        if (dice < 70) {
          const entry = listed(position);
          entries.add(entry);
          plain.push(entry);
        } else if (dice < 92) {
          const target = plain.length > 0 && dice < 88 ? plain[random.below(plain.length)]!.position : position + 5;
          expect(entries.remove(target)).toBe(plain.some((each) => each.position === target));
          plain = plain.filter((each) => each.position !== target);
        } else if (dice < 94) {
          const now = random.below(200);
          const gone = plain.filter(({ until }) => until <= now).map(({ serialNumber }) => serialNumber);
          expect(entries.expired(now).sort()).toEqual(gone.sort());
          const wanted = plain.filter(({ until }) => until > now);
          const view = entries.view(0, now);
          expect([view.count, view.octets]).toEqual([wanted.length, bytesOf(wanted).length]);
          expect(Buffer.concat(view.slices).equals(bytesOf(wanted))).toBe(true);
          kept.push({ view, bytes: bytesOf(wanted) });
        } else {
          const after = dice < 97 ? 0 : random.below(position);
          const latest = new Date(random.below(position * 2) * 1000);
          const wanted = plain.filter((each) => each.position > after).map((each) => datedUpTo(each, latest));
          const view = entries.view(after, -Infinity, latest);
          expect([view.count, view.octets]).toEqual([wanted.length, bytesOf(wanted).length]);
          expect(Buffer.concat(view.slices).equals(bytesOf(wanted))).toBe(true);
          kept.push({ view, bytes: bytesOf(wanted) });
          views++;
        }
      }
      expect([...entries.indices()]).toEqual(plain.map(({ index }) => index));
      expect(entries.size()).toBe(plain.length);
      for (const { view, bytes } of kept) expect(Buffer.concat(view.slices).equals(bytes)).toBe(true);
    }
    console.log(`entries: steps=${steps} views=${views} differences=0`);
  });
});
