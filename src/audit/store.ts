import type { Database, Json, Transaction } from '../db/client.js';
import type { Origin } from '../origin.js';

type NewAuditEntry = {
  at: Date;
  account: string;
  origin: Origin;
  action: string;
  target: string;
  detail?: Json;
};

/** Writes entries in the transaction of the change that they record. */
export type AppendAudit = (tx: Transaction, ...entries: NewAuditEntry[]) => Promise<void>;

/** Records who did what, in the transaction that does it. */
export const appendAudit: AppendAudit = async (tx, ...entries) => {
  await tx.auditEntry.createMany({
    data: entries.map(({ at, account, origin, action, target, detail }) => ({
      at,
      accountName: account,
      actor: origin.actor,
      action,
      target,
      requestId: origin.requestId ?? null,
      sourceIp: origin.sourceIp ?? null,
      detail: detail ?? {},
    })),
  });
};

type AuditFilter = { action?: string | undefined; target?: string | undefined };

/** Reads the audit of an account, newest first. */
export function createAuditStore(db: Database) {
  return {
    list(account: string, { action, target }: AuditFilter, before: bigint | undefined, limit: number) {
      return db.auditEntry.findMany({
        where: {
          accountName: account,
          ...(action === undefined ? {} : { action }),
          ...(target === undefined ? {} : { target }),
          ...(before === undefined ? {} : { id: { lt: before } }),
        },
        orderBy: { id: 'desc' },
        take: limit,
      });
    },
  };
}
