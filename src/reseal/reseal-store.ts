import { sql, type Database } from '../db/client.js';
import type { SealedColumn } from './columns.js';

/** One secret as it is stored. `about` is what its context is made of. */
export type SealedRow = { id: string; about: string; sealed: Uint8Array };

const pageRows = 100;

/** Reads and replaces secrets. Names of tables and columns come from the list of columns alone. */
export function createResealStore(db: Database) {
  return {
    count: async ({ table, column }: SealedColumn): Promise<number> => {
      const text = `SELECT count(*)::int AS number FROM ${table} WHERE octet_length(${column}) > 0`;
      return (await db.$queryRawUnsafe<{ number: number }[]>(text))[0]!.number;
    },

    /** Secrets behind an id, in the order of ids. */
    page({ table, id, idType, column, about }: SealedColumn, after: string | undefined): Promise<SealedRow[]> {
      const behind = after === undefined ? '' : `AND ${id} > $1::${idType}`;
      const text = `SELECT ${id}::text AS id, ${about}::text AS about, ${column} AS sealed FROM ${table}
        WHERE octet_length(${column}) > 0 ${behind} ORDER BY ${id} LIMIT ${pageRows}`;
      return db.$queryRawUnsafe<SealedRow[]>(text, ...(after === undefined ? [] : [after]));
    },

    /** Puts another secret in the place of one that is still what was read. False when it is not. */
    async replace({ table, id, idType, column }: SealedColumn, row: SealedRow, next: Uint8Array): Promise<boolean> {
      const text = `UPDATE ${table} SET ${column} = $1 WHERE ${id} = $2::${idType} AND ${column} = $3`;
      return (await db.$executeRawUnsafe(text, new Uint8Array(next), row.id, new Uint8Array(row.sealed))) === 1;
    },

    /** How many instances run that seal with another key, or do not say with which. */
    async othersSealing(keyId: string): Promise<number> {
      const [row] = await db.$queryRaw<{ number: number }[]>(sql`
        SELECT count(*)::int AS number FROM instances WHERE lease_until > clock_timestamp() AND key_id IS DISTINCT FROM ${keyId}`);
      return row!.number;
    },
  };
}

export type ResealStore = ReturnType<typeof createResealStore>;
