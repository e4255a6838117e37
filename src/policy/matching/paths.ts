import { endOfLevel, isLevel, notOwn, unasked, type Levels } from './levels.js';
import type { Level } from '../resource.js';
import { fill, type Principal, type Template } from '../variables.js';

/**
 * A pattern over levels that leads to one entry. Where patterns are few, going through them takes a third of the time of
 * a walk down a trie: no calls, and what several policies begin with is compared once.
 */
export type Path<Entry> = {
  /** True when it begins with account and name of the thing, as most do: those two are compared once for all. */
  isOwn: boolean;
  /** The levels after those two, or all. */
  steps: readonly Step[];
  hasRest: boolean;
  entry: Entry;
};

/** What a level must be; by a number, because it is asked so often. */
type Step = { is: number; text: string; template: Template | undefined };

const is = { text: 0, account: 1, name: 2, template: 3, anything: 4 } as const;

/** So many of an index are worth going through. */
export const mostPaths = 8;

/** A pattern as a path. */
export function createPath<Entry>(levels: readonly Level[], entry: Entry): Path<Entry> {
  const hasRest = levels.at(-1) === '#';
  const steps = (hasRest ? levels.slice(0, -1) : levels).map(stepOf);
  const isOwn = steps[0]?.is === is.account && steps[1]?.is === is.name;
  return { isOwn, steps: isOwn ? steps.slice(2) : steps, hasRest, entry };
}

function stepOf(level: Level): Step {
  if (level === '+') return { is: is.anything, text: '', template: undefined };
  if (typeof level === 'string') return { is: is.text, text: level, template: undefined };
  const of = level.whole?.of;
  return { is: of === 'account' || of === 'name' ? is[of] : is.template, text: '', template: level };
}

/** Whether levels without wildcards match a path. */
export function isOnPath<Entry>(path: Path<Entry>, levels: Levels, principal: Principal): boolean {
  if (!path.isOwn) return isFrom(path, levels, 0, levels.start, principal);
  if (levels.own === unasked) levels.own = findOwn(levels, principal);
  return levels.own !== notOwn && isFrom(path, levels, 2, levels.own, principal);
}

/** Where the third level begins, if the first two are account and name of the thing. */
function findOwn(levels: Levels, { account, name }: Principal): number {
  if (!isLevel(levels, 0, levels.start, account)) return notOwn;
  const start = levels.ends[0]! + 1;
  return start <= levels.text.length && isLevel(levels, 1, start, name) ? levels.ends[1]! + 1 : notOwn;
}

function isFrom<Entry>(
  { steps, hasRest }: Path<Entry>,
  levels: Levels,
  first: number,
  from: number,
  principal: Principal,
): boolean {
  const { length } = levels.text;
  let start = from;
  for (let index = 0; index < steps.length; index++) {
    if (start > length) return false;
    const step = steps[index]!;
    const level = first + index;
    if (step.is === is.anything) endOfLevel(levels, level, start);
    else if (!isLevel(levels, level, start, textOf(step, principal))) return false;
    start = levels.ends[level]! + 1;
  }
  return hasRest || start > length;
}

function textOf(step: Step, principal: Principal): string | undefined {
  switch (step.is) {
    case is.text:
      return step.text;
    case is.account:
      return principal.account;
    case is.name:
      return principal.name;
    default:
      return fill(step.template!, principal);
  }
}
