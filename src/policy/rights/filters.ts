/** A topic filter as levels, compared with others as a set of topics. */
export type Filter = readonly string[];

/** Whether two filters may have a topic in common: leading wildcards reach what begins with `$` too. */
export function overlap(one: Filter, other: Filter): boolean {
  for (let level = 0; ; level++) {
    const [a, b] = [one[level], other[level]];
    if (a === '#' || b === '#') return true;
    if (a === undefined || b === undefined) return a === b;
    if (a !== b && a !== '+' && b !== '+') return false;
  }
}

/** Whether every topic of a filter is certainly one of another's, whose leading wildcard does not reach `$`. */
export function isInside(filter: Filter, container: Filter): boolean {
  if (filter[0]?.startsWith('$') && (container[0] === '+' || container[0] === '#')) return false;
  for (let level = 0; ; level++) {
    const [a, b] = [filter[level], container[level]];
    if (b === '#') return true;
    if (a === undefined || b === undefined) return a === b;
    if (a !== b && (b !== '+' || a === '#')) return false;
  }
}
