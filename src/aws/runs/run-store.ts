import { sql, type Database } from '../../db/client.js';
import { storedOrigin, type Origin } from '../../origin.js';
import { isFree } from './claims-sql.js';

/** What is asked for when a run begins. */
export type NewRun = { id: string; account: string; dryRun: boolean; origin: Origin; at: Date };

const tables = { imports: sql`aws_imports`, reconciliations: sql`aws_reconciliations` };

/** Long runs in a table: one for each account at a time, and each on one instance, which claims it. */
export function createRunStore(db: Database, kind: keyof typeof tables, instance: string) {
  const table = tables[kind];
  const held = (id: string) => sql`WHERE id = ${id}::uuid AND claimed_by = ${instance}::uuid`;

  return {
    /** False when one is running already. */
    async start({ id, account, dryRun, origin, at }: NewRun): Promise<boolean> {
      const started = await db.$executeRaw(sql`
        INSERT INTO ${table} (id, account_name, dry_run, origin, started_at)
        VALUES (${id}::uuid, ${account}, ${dryRun}, ${JSON.stringify(storedOrigin(origin))}::jsonb, ${at}) ON CONFLICT DO NOTHING`);
      return started > 0;
    },

    /** Takes a run that nobody is at. Returns its id. */
    async claim(at: Date, until: Date): Promise<string | undefined> {
      const [taken] = await db.$queryRaw<{ id: string }[]>(sql`
        UPDATE ${table} SET claimed_by = ${instance}::uuid, claimed_until = ${until} WHERE id = (
          SELECT id FROM ${table} WHERE status = 'running' AND ${isFree(at)} LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id`);
      return taken?.id;
    },

    /** Sets columns of a run, such as `sql\`seen = ${seen}\``. False when the claim is lost. */
    save: async (id: string, columns: ReturnType<typeof sql>): Promise<boolean> =>
      (await db.$executeRaw(sql`UPDATE ${table} SET ${columns} ${held(id)}`)) > 0,

    /** Ends a run that is claimed here. */
    async finish(id: string, status: 'done' | 'failed', reason: string | null, at: Date): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE ${table} SET status = ${status}, reason = ${reason}, finished_at = ${at}, claimed_until = NULL ${held(id)}`);
    },
  };
}
