import type { ActivePipeline } from '../../log/edge-view.js';
import { createPipeline, type Pipeline } from '../../pipeline/pipeline.js';
import type { TopicThing } from '../../pipeline/topics.js';
import { documentOf } from './running.js';

type Matcher = { name: string; version: number; forward: boolean; matches: Pipeline['matches'] };

export type Matching = ReturnType<typeof createMatching>;

/** Which pipelines take a message. `revision` changes whenever that may be another answer. */
export function createMatching(account: string) {
  const matchers = new Map<string, Matcher>();
  let revision = 0;
  return {
    revision: () => revision,
    size: () => matchers.size,
    /** Whether this version takes messages. */
    runs: (name: string, version: number): boolean => matchers.get(name)?.version === version,
    has: (name: string): boolean => matchers.has(name),

    /** Messages go to this version from now on. */
    set(active: ActivePipeline): void {
      const document = documentOf(active);
      revision++;
      if (!document) return void matchers.delete(active.name);
      const { matches } = createPipeline(account, document, () => {});
      matchers.set(active.name, { name: active.name, version: active.version, forward: document.forward, matches });
    },

    delete(name: string): void {
      if (matchers.delete(name)) revision++;
    },

    /** Those that take a message, in the order of their names; whether one of them wants it forwarded too. */
    of(thing: TopicThing, topic: string): { names: string[]; forward: boolean } | undefined {
      const taking = [...matchers.values()].filter(({ matches }) => matches({ thing, topic }));
      if (taking.length === 0) return undefined;
      return { names: taking.map(({ name }) => name).sort(), forward: taking.some(({ forward }) => forward) };
    },
  };
}
