import { sql, type Transaction } from '../../db/client.js';

type Expecting = { expected?: { id: string; revision: number } | undefined };

/** Locks the expected things of records, in the order of their names. Returns the records whose own is as it was read, and unused. */
export async function lockExpected<Record extends Expecting>(tx: Transaction, records: Record[]): Promise<Set<Record>> {
  const wanted = records.flatMap(({ expected }) => expected ?? []);
  if (wanted.length === 0) return new Set(records);
  const rows = await tx.$queryRaw<{ id: string; revision: number }[]>(sql`
    SELECT id, revision FROM expected_things
    WHERE id = ANY(${wanted.map(({ id }) => id)}::uuid[]) AND used_at IS NULL ORDER BY account_name, name FOR UPDATE`);
  const free = new Map(rows.map(({ id, revision }) => [id, revision]));
  return new Set(records.filter(({ expected }) => !expected || free.get(expected.id) === expected.revision));
}
