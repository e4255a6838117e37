import type { Database, Json, Transaction } from '../db/client.js';
import type { Origin } from '../origin.js';
import type { AuditFilter } from './filter.js';
import { settledId } from './settled-sql.js';

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
  for (const witness of new Set(entries.map(({ origin }) => origin.witness))) await witness?.(tx);
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

export type AuditStore = ReturnType<typeof createAuditStore>;

/** Reads the audit of an account. */
export function createAuditStore(db: Database) {
  return {
    /** Newest first, from those before a place. */
    list: (account: string, filter: AuditFilter, before: { at: Date; id: bigint } | undefined, limit: number) =>
      db.auditEntry.findMany({
        where: {
          ...matching(account, filter),
          ...(before ? { OR: [{ at: { lt: before.at } }, { at: before.at, id: { lt: before.id } }] } : {}),
          // What the index finds: without it, the choice above reads everything that is newer too.
          ...(before ? { AND: { at: { lte: before.at } } } : {}),
        },
        orderBy: [{ at: 'desc' }, { id: 'desc' }],
        take: limit,
      }),

    /** The highest id below which no entry is still to come. */
    settledId: () => settledId(db),

    /** Oldest first, from those after an id up to another. */
    following: (account: string, filter: AuditFilter, after: bigint, to: bigint, limit: number) =>
      db.auditEntry.findMany({
        where: { ...matching(account, filter), id: { gt: after, lte: to } },
        orderBy: { id: 'asc' },
        take: limit,
      }),

    /** How many match, up to `most`. */
    count: (account: string, filter: AuditFilter, most: number): Promise<number> =>
      db.auditEntry.count({ where: matching(account, filter), take: most }),
  };
}

function matching(account: string, { actor, action, target, from, to }: AuditFilter) {
  return {
    accountName: account,
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(target === undefined ? {} : { target }),
    ...(from === undefined && to === undefined
      ? {}
      : { at: { ...(from === undefined ? {} : { gte: from }), ...(to === undefined ? {} : { lt: to }) } }),
  };
}
