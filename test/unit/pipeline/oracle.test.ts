import { describe, expect, it } from 'vitest';
import { byThing, difference, ran } from '../../support/pipelines/comparing.js';
import { randomDocument, randomHappenings } from '../../support/pipelines/cases.js';
import { expected, type Happening } from '../../support/pipelines/reference.js';
import type { PipelineDocument } from '../../../src/pipeline/document.js';
import type { Random } from '../../support/policy-cases.js';
import { seeded } from '../../support/seeded.js';

// The long form: npm run pipelines.
const streams = Number(process.env['PIPELINE_STREAMS'] ?? 10_000);

/**
 * True when rounding alone decides: the reference says something else itself, beyond 1e-9, when each number that goes into a
 * step is another by a few units in the last place, up or down by itself. Moved all alike, no quotient of differences would change.
 */
function isUnstable(document: PipelineDocument, happenings: Happening[], random: Random): boolean {
  const should = byThing(expected(document, happenings));
  const nudge = (value: number): number =>
    value * (1 + (random.chance(0.5) ? 1 : -1) * (1 + random.below(4)) * Number.EPSILON);
  return Array.from({ length: 16 }).some(
    () => difference(byThing(expected(document, happenings, nudge)), should) !== undefined,
  );
}

describe('pipelines beside a plain reference', () => {
  it(`the engine publishes what the reference does of ${streams} random streams`, () => {
    const random = seeded('pipelines');
    const seen = { illConditioned: 0, records: 0, publications: 0, published: 0 };
    for (let stream = 0; stream < streams; stream++) {
      const document = randomDocument(random);
      const happenings = randomHappenings(random, 'b' in document.values);
      const is = ran(document, happenings);
      const should = expected(document, happenings);
      const found = difference(byThing(is.published), byThing(should));
      if (found && isUnstable(document, happenings, random)) {
        seen.illConditioned++;
        continue;
      }
      expect(
        found && { found, stream, steps: JSON.stringify(document), happenings: JSON.stringify(happenings) },
      ).toBeUndefined();
      seen.records += is.records;
      seen.publications += is.published.length;
      seen.published += is.published.reduce((sum, { records }) => sum + records.length, 0);
    }
    console.log(`${streams} streams: ${JSON.stringify(seen)}, 0 differences`);
    expect(seen.published).toBeGreaterThan(streams);
    expect(seen.illConditioned).toBeLessThan(5 + streams / 1000);
  });
});
