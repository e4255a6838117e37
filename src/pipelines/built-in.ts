import type { Named, Span } from '../api/paging.js';
import { builtInPipelines } from '../pipeline/built-in.js';
import type { StoredVersion } from './store.js';

// When they came into being; as data they have no other time.
const since = new Date(Date.UTC(2026, 10, 29));

/** Version 1 of what is built in under a name. */
export function builtInVersion(name: string): StoredVersion | undefined {
  const document = builtInPipelines.find((each) => each.name === name);
  return document && { version: 1, document, createdAt: since, createdBy: 'system' };
}

/** The names of all that is built in, as far as a filter takes them. */
export const builtInNames = ({ namePrefix = '' }: Named = {}): string[] =>
  builtInPipelines.map(({ name }) => name).filter((name) => name.startsWith(namePrefix));

/** A page of names with those that are built in where they belong. Names are in the order of their octets. */
export function merged<Row extends { name: string }>(
  rows: Row[],
  builtIn: Row[],
  { after, descending, limit }: Span,
): Row[] {
  const comes = (a: string, b: string) => (descending ? a > b : a < b);
  const some = builtIn.filter(({ name }) => after === undefined || comes(after, name));
  return [...rows, ...some].sort((a, b) => (comes(a.name, b.name) ? -1 : 1)).slice(0, limit);
}
