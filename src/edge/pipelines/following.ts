import type { ActivePipeline } from '../../log/edge-view.js';
import type { Matching } from './matching.js';
import { documentOf, type Running } from './running.js';
import type { Works } from './works.js';

type Deps = {
  active(): ReadonlyMap<string, ActivePipeline> | undefined;
  running: Pick<Running, 'active'>;
  matching: Matching;
  works: Pick<Works, 'happen'>;
  now(): number;
  failed(error: Error): void;
  /** This version of the edge cannot run it. */
  cannotRun(pipeline: ActivePipeline): void;
};

/**
 * Makes the pipelines that run those that are active, through the journal: what came before a change is of the version before, also when
 * the journal is read again.
 */
export function createFollowing({ active, running, matching, works, now, failed, cannotRun }: Deps) {
  // What the journal says, by name.
  const said = new Map(running.active().map((pipeline) => [pipeline.name, keyOf(pipeline)]));
  const unable = new Set<string>();
  let changing: Promise<void> | undefined;
  let again = false;

  const begin = async (pipeline: ActivePipeline): Promise<void> => {
    const { name, version } = pipeline;
    if (!documentOf(pipeline)) {
      if (!unable.has(`${name} ${version}`)) cannotRun(pipeline);
      unable.add(`${name} ${version}`);
      return end(name);
    }
    await works.happen({ kind: 'begin', at: now(), pipeline });
    said.set(name, keyOf(pipeline));
    matching.set(pipeline);
  };

  const end = async (name: string): Promise<void> => {
    matching.delete(name);
    if (!said.has(name)) return;
    await works.happen({ kind: 'end', at: now(), name });
    said.delete(name);
  };

  const change = async (): Promise<void> => {
    do {
      again = false;
      const wanted = active();
      if (!wanted) return;
      for (const name of [...said.keys()]) if (!wanted.has(name)) await end(name);
      for (const pipeline of wanted.values())
        if (said.get(pipeline.name) !== keyOf(pipeline)) await begin(pipeline);
        else if (!matching.has(pipeline.name)) matching.set(pipeline);
    } while (again);
  };

  return {
    /** Others may be active. What fails is tried again at the next call. */
    look(): Promise<void> {
      again = true;
      changing ??= change()
        .catch(failed)
        .finally(() => (changing = undefined));
      return changing;
    },
  };
}

/** One that was deleted and made again has the same version, and perhaps another document. */
const keyOf = ({ version, document }: ActivePipeline): string => `${version} ${JSON.stringify(document)}`;
