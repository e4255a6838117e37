import { placesIn } from './export.js';
import { isThere } from './files.js';
import { kinds, policies } from './kinds.js';

/** What a folder or file configures: the kinds that have a folder in it, or policies where none has. */
export function placesOf(file: string): ReturnType<typeof placesIn> {
  const places = placesIn(file, kinds).filter(({ path }) => isThere(path));
  return places.length > 0 ? places : [{ kind: policies, path: file }];
}
