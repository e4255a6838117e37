import { sql, type Database, type Transaction } from '../db/client.js';
import { isUniqueViolation } from '../db/errors.js';
import { beyond, type Span } from '../api/paging.js';
import type { Condition } from './judge.js';
import type { AlertFilter, NewRule } from './schema.js';

/** A rule as stored. */
export type StoredRule = Omit<NewRule, 'metric'> & {
  id: string;
  account: string;
  metric: string;
  builtIn: string | null;
  createdAt: Date;
  createdBy: string;
};

type RuleRow = NonNullable<Awaited<ReturnType<Database['alertRule']['findUnique']>>>;

/** An alert as stored. */
export type StoredAlert = NonNullable<Awaited<ReturnType<Database['alert']['findUnique']>>>;

export type AlertStore = ReturnType<typeof createAlertStore>;

const toRule = ({ accountName, metSince: _, ...row }: RuleRow): StoredRule => ({
  ...row,
  account: accountName,
  condition: row.condition as Condition,
  severity: row.severity as NewRule['severity'],
});

const toColumns = ({ account: _, id: __, builtIn: ___, createdAt: ____, createdBy: _____, ...columns }: StoredRule) =>
  columns;

/** Rules and alerts of accounts. */
export function createAlertStore(db: Database) {
  return {
    countRules: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.alertRule.count({ where: { accountName: account }, take: most }),

    /** False when the name is taken; the transaction is of no use then. */
    insertRule: (tx: Transaction, rule: StoredRule): Promise<boolean> =>
      unlessTaken(() => {
        const { id, account, createdAt, createdBy } = rule;
        return tx.alertRule.create({ data: { id, accountName: account, createdAt, createdBy, ...toColumns(rule) } });
      }),

    /** False when the name is taken; the transaction is of no use then. */
    updateRule: (tx: Transaction, rule: StoredRule): Promise<boolean> =>
      unlessTaken(() => tx.alertRule.update({ where: { id: rule.id }, data: { ...toColumns(rule), metSince: null } })),

    async deleteRule(tx: Transaction, id: string): Promise<void> {
      await tx.alertRule.delete({ where: { id } });
    },

    /** A rule; inside a transaction, locked. */
    async findRule(account: string, id: string, tx?: Transaction): Promise<StoredRule | undefined> {
      if (tx)
        await tx.$queryRaw(
          sql`SELECT 1 FROM alert_rules WHERE id = ${id}::uuid AND account_name = ${account} FOR UPDATE`,
        );
      const row = await (tx ?? db).alertRule.findFirst({ where: { id, accountName: account } });
      return row ? toRule(row) : undefined;
    },

    async listRules(account: string, span: Span): Promise<StoredRule[]> {
      const id = beyond(span);
      const rows = await db.alertRule.findMany({
        where: { accountName: account, ...(id === undefined ? {} : { id }) },
        orderBy: { id: 'asc' },
        take: span.limit,
      });
      return rows.map(toRule);
    },

    /** Takes a channel out of every rule that tells it. */
    async dropChannel(tx: Transaction, account: string, id: string): Promise<void> {
      await tx.$executeRaw(sql`
        UPDATE alert_rules SET channels = array_remove(channels, ${id}::uuid)
        WHERE account_name = ${account} AND ${id}::uuid = ANY(channels)`);
    },

    findAlert: (account: string, id: string): Promise<StoredAlert | null> =>
      db.alert.findFirst({ where: { id, accountName: account } }),

    /** Newest first, from those before a place. */
    listAlerts: (
      account: string,
      { status, severity, rule }: AlertFilter,
      before: { startedAt: Date; id: string } | undefined,
      limit: number,
    ): Promise<StoredAlert[]> =>
      db.alert.findMany({
        where: {
          accountName: account,
          ...(status === undefined ? {} : { status }),
          ...(severity === undefined ? {} : { severity }),
          ...(rule === undefined ? {} : { ruleId: rule }),
          ...(before
            ? {
                OR: [{ startedAt: { lt: before.startedAt } }, { startedAt: before.startedAt, id: { lt: before.id } }],
              }
            : {}),
        },
        orderBy: [{ startedAt: 'desc' }, { id: 'desc' }],
        take: limit,
      }),

    /** Notes that somebody sees to an alert. False when it is not firing. */
    async acknowledge(tx: Transaction, account: string, id: string, at: Date, by: string): Promise<boolean> {
      const { count } = await tx.alert.updateMany({
        where: { id, accountName: account, status: 'firing' },
        data: { status: 'acknowledged', acknowledgedAt: at, acknowledgedBy: by },
      });
      return count === 1;
    },
  };
}

async function unlessTaken(write: () => PromiseLike<unknown>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (isUniqueViolation(error)) return false;
    throw error;
  }
}
