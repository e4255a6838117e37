import { deserialize, serialize } from 'node:v8';
import { expect, it } from 'vitest';
import type { PipelineDocument } from '../../../src/pipeline/document.js';
import { createPipeline, type SavedThing } from '../../../src/pipeline/pipeline.js';
import { written } from '../../support/pipelines/comparing.js';
import { randomDocument, randomHappenings } from '../../support/pipelines/cases.js';
import type { Happening } from '../../support/pipelines/reference.js';
import { seeded } from '../../support/seeded.js';

/** All that a pipeline publishes, where another that takes up its state continues after some of the happenings. */
function published(document: PipelineDocument, happenings: Happening[], breaks: (index: number) => boolean): string[] {
  const all: string[] = [];
  const begin = () => createPipeline('acme', document, (each) => all.push(JSON.stringify(each)));
  let pipeline = begin();
  happenings.forEach((happening, index) => {
    if (breaks(index)) {
      const saved = [...pipeline.save()].map((each) => deserialize(serialize(each)) as [string, SavedThing]);
      pipeline = begin();
      for (const [thing, state] of saved) pipeline.restore(thing, state);
    }
    const { at, thing } = happening;
    if (thing === undefined) for (const _ of pipeline.tick(at));
    else {
      const payload = Buffer.from(happening.dead ? '{' : written(happening));
      pipeline.take({ thing: { name: thing }, topic: 'x', payload, at });
    }
  });
  return all;
}

it('a pipeline that takes up the state of another continues as if nothing had happened', () => {
  const random = seeded('saving');
  let seen = 0;
  for (let stream = 0; stream < 1000; stream++) {
    const document = { ...randomDocument(random), maxThings: random.pick([1, 2, 10_000]) };
    const happenings = randomHappenings(random, 'b' in document.values);
    const whole = published(document, happenings, () => false);
    expect(
      published(document, happenings, () => random.chance(0.2)),
      JSON.stringify(document),
    ).toEqual(whole);
    seen += whole.length;
  }
  expect(seen).toBeGreaterThan(1000);
});
