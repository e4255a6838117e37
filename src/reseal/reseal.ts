import { ConfigError } from '../config.js';
import type { Sealer } from '../sealing.js';
import { sealedColumns, type SealedColumn } from './columns.js';
import type { ResealStore, SealedRow } from './reseal-store.js';

type Deps = { store: ResealStore; sealer: Pick<Sealer, 'reseal' | 'keyId'>; say(line: string): void };

/** What was done: how many secrets there are, and how many another key had sealed. */
export type Resealed = { secrets: number; resealed: number };

/**
 * Seals every secret with the present key, one by one, while instances run: each is readable at every moment, and what was done stays
 * done. Goes over all of them until nothing is left that another key sealed.
 * @throws ConfigError when an instance seals with another key, and when a secret was sealed with neither
 */
export async function resealAll(deps: Deps): Promise<Resealed> {
  await requireSameKey(deps);
  let resealed = 0;
  for (;;) {
    const pass = await passOver(deps);
    resealed += pass.resealed;
    if (pass.resealed > 0 || pass.missed > 0) continue;
    // An instance that came meanwhile may have sealed behind this pass.
    await requireSameKey(deps);
    return { secrets: pass.secrets, resealed };
  }
}

async function requireSameKey({ store, sealer }: Deps): Promise<void> {
  const others = await store.othersSealing(sealer.keyId);
  if (others === 0) return;
  throw new ConfigError(
    `${others === 1 ? 'an instance runs that seals' : `${others} instances run that seal`} with another key: restart every instance with the new THINGWARD_KEY and the old one in THINGWARD_KEY_PREVIOUS, then run this again`,
  );
}

async function passOver(deps: Deps) {
  const sum = { secrets: 0, resealed: 0, missed: 0 };
  for (const column of sealedColumns) {
    const done = await resealColumn(deps, column);
    sum.secrets += done.secrets;
    sum.resealed += done.resealed;
    sum.missed += done.missed;
  }
  return sum;
}

async function resealColumn({ store, sealer, say }: Deps, column: SealedColumn) {
  const all = await store.count(column);
  const done = { secrets: 0, resealed: 0, missed: 0 };
  let after: string | undefined;
  for (;;) {
    const rows = await store.page(column, after);
    if (rows.length === 0) return done;
    for (const row of rows) {
      const next = resealed(sealer, column, row);
      if (!next) continue;
      if (await store.replace(column, row, next)) done.resealed++;
      else done.missed++;
    }
    done.secrets += rows.length;
    after = rows.at(-1)!.id;
    if (done.resealed > 0)
      say(`${column.what}: ${done.secrets} of ${Math.max(all, done.secrets)} read, ${done.resealed} sealed again`);
  }
}

function resealed(sealer: Deps['sealer'], { what, context }: SealedColumn, row: SealedRow): Buffer | undefined {
  try {
    return sealer.reseal(row.sealed, context(row.about));
  } catch {
    throw new ConfigError(
      `of the ${what}, ${row.id} was sealed with neither THINGWARD_KEY nor THINGWARD_KEY_PREVIOUS: set the key that it was sealed with as THINGWARD_KEY_PREVIOUS, and run this again`,
    );
  }
}
