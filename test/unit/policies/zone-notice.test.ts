import { expect, it } from 'vitest';
import { noticeOldZones } from '../../../src/policies/zone-notice.js';
import { zoneDataVersion } from '../../../src/policy/time/zone.js';
import { release } from '../../../src/policy/time/zone-data.js';

it('the log warns of time zones that are over six months old, and of no others', () => {
  const warnings: object[] = [];
  const noticeAfter = (days: number) =>
    noticeOldZones(
      (fields, message) => warnings.push({ ...fields, message }),
      () => new Date(Date.parse(release.date) + days * 86_400_000),
    );
  noticeAfter(-1);
  noticeAfter(183);
  expect(warnings).toEqual([]);
  noticeAfter(184);
  expect(warnings).toEqual([
    { zoneData: zoneDataVersion(), ageDays: 184, message: expect.stringContaining('update Thingward') },
  ]);
});
