import { sql, type Database, type Transaction } from '../db/client.js';

/** A schema as stored; `schema` is JSON, and `thingType` '' where it is for every type. */
export type StoredSchema = {
  id: string;
  name: string;
  thingType: string;
  schema: string;
  createdAt: Date;
  createdBy: string;
};

export type SchemaStore = ReturnType<typeof createSchemaStore>;

const columns = sql`id, name, thing_type AS "thingType", schema, created_at AS "createdAt", created_by AS "createdBy"`;

/** Reads and writes what payloads of commands look like. */
export function createSchemaStore(db: Database) {
  return {
    transaction: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> => db.$transaction(work),

    async count(tx: Transaction, account: string): Promise<number> {
      const [counted] = await tx.$queryRaw<{ count: bigint }[]>(
        sql`SELECT count(*) FROM command_schemas WHERE account_name = ${account}`,
      );
      return Number(counted!.count);
    },

    /** False when there is one for this command and type. */
    insert: async (tx: Transaction, account: string, made: StoredSchema): Promise<boolean> =>
      (await tx.$executeRaw(sql`
        INSERT INTO command_schemas (id, account_name, name, thing_type, schema, created_at, created_by)
        VALUES (${made.id}::uuid, ${account}, ${made.name}, ${made.thingType}, ${made.schema}, ${made.createdAt}, ${made.createdBy})
        ON CONFLICT (account_name, name, thing_type) DO NOTHING`)) > 0,

    async find(account: string, id: string): Promise<StoredSchema | undefined> {
      const [found] = await db.$queryRaw<StoredSchema[]>(
        sql`SELECT ${columns} FROM command_schemas WHERE account_name = ${account} AND id = ${id}::uuid`,
      );
      return found;
    },

    /** The one that judges a command for a thing of a type: that of the type before that of every type. */
    async judging(account: string, name: string, thingType: string): Promise<StoredSchema | undefined> {
      const [found] = await db.$queryRaw<StoredSchema[]>(sql`
        SELECT ${columns} FROM command_schemas WHERE account_name = ${account} AND name = ${name} AND thing_type IN (${thingType}, '')
        ORDER BY thing_type DESC LIMIT 1`);
      return found;
    },

    list: (
      account: string,
      name: string | undefined,
      after: { name: string; thingType: string } | undefined,
      limit: number,
    ): Promise<StoredSchema[]> =>
      db.$queryRaw<StoredSchema[]>(sql`
        SELECT ${columns} FROM command_schemas
        WHERE account_name = ${account} AND (${name ?? null}::text IS NULL OR name = ${name ?? null})
          AND (name, thing_type) > (${after?.name ?? ''}, ${after?.thingType ?? ''})
        ORDER BY name, thing_type LIMIT ${limit}`),

    delete: async (tx: Transaction, account: string, id: string): Promise<StoredSchema | undefined> => {
      const [gone] = await tx.$queryRaw<StoredSchema[]>(
        sql`DELETE FROM command_schemas WHERE account_name = ${account} AND id = ${id}::uuid RETURNING ${columns}`,
      );
      return gone;
    },
  };
}
