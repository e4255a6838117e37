import { isShare, sharedFilter } from '../mqtt-packets/topics.js';

/** Which commands filters reach: every one, those of some names, or none. */
export type Reach = 'every' | readonly string[] | undefined;

const mostNames = 100;
const nameForm = /^[A-Za-z0-9_-]{1,64}$/;

/** The topic of a command of a thing. */
export const commandTopic = (account: string, thing: string, name: string): string =>
  `${account}/${thing}/commands/${name}`;

/** Which commands of a thing a session gets that subscribes to these filters. Of very many names, some. */
export function reachOf(filters: Iterable<string>, account: string, thing: string): Reach {
  const names = new Set<string>();
  for (const filter of filters) {
    const name = nameIn(filter, [account, thing, 'commands']);
    if (name === '+') return 'every';
    if (name !== undefined && nameForm.test(name) && names.size < mostNames) names.add(name);
  }
  return names.size > 0 ? [...names] : undefined;
}

/** The name of a command that a filter reaches below a path, `+` for every name. */
function nameIn(filter: string, path: readonly string[]): string | undefined {
  const levels = ((isShare(filter) ? sharedFilter(filter) : filter) ?? '').split('/');
  for (const [at, level] of path.entries()) {
    if (levels[at] === '#') return '+';
    if (levels[at] !== '+' && levels[at] !== level) return undefined;
  }
  const [name, below] = levels.slice(path.length);
  // `a/#` is also `a` itself.
  if (name === '#') return '+';
  return levels.length === path.length + 1 || below === '#' ? name : undefined;
}
