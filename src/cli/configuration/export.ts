import { join } from 'node:path';
import { writeOne } from '../output/output.js';
import type { Session } from '../session/session.js';
import { writeDocument } from './files.js';
import type { Place } from './apply.js';

/** Writes what the server has into files, and says how many there are of each kind. Files of other names stay. @throws OperatorError */
export async function exportFiles(session: Session, places: Place[]): Promise<void> {
  const counts: Record<string, number> = {};
  for (const { kind, path } of places) {
    let count = 0;
    for await (const [name, document] of kind.all(session.client)) {
      writeDocument(path, name, document);
      count++;
    }
    counts[kind.folder] = count;
  }
  if (session.out.format !== 'table') return writeOne(session.out, counts);
  const lines = places.map(({ kind, path }) => `${counts[kind.folder]} ${kind.several} in ${path}\n`);
  await session.out.write(lines.join(''));
}

/** A folder for each kind, in one folder. */
export const placesIn = (folder: string, kinds: readonly Place['kind'][]): Place[] =>
  kinds.map((kind) => ({ kind, path: join(folder, kind.folder) }));
