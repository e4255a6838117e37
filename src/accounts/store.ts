import type { Database, Transaction } from '../db/client.js';
import { beyond, orderOf, type Span } from '../api/paging.js';

type Filter = { status?: 'active' | 'suspended' | undefined };

/** What certificates of an account may do, in seconds. */
export type Limits = { renewGraceSeconds: number; maxCertificateSeconds: number };

export type AccountStore = ReturnType<typeof createAccountStore>;

/** Accounts. */
export function createAccountStore(db: Database) {
  return {
    /** False when the name is or was taken. */
    async insert(
      tx: Transaction,
      account: {
        name: string;
        timeZone: string;
        clientIdForm: string;
        renewGraceSeconds: number;
        maxCertificateSeconds: number;
        createdAt: Date;
      },
    ): Promise<boolean> {
      const { count } = await tx.account.createMany({ data: [account], skipDuplicates: true });
      return count === 1;
    },

    find: (name: string) => db.account.findUnique({ where: { name } }),

    list: ({ status }: Filter, span: Span) => {
      const name = beyond(span);
      return db.account.findMany({
        where: { ...(status === undefined ? {} : { status }), ...(name === undefined ? {} : { name }) },
        orderBy: { name: orderOf(span) },
        take: span.limit,
      });
    },

    countMatching: ({ status }: Filter, most: number) =>
      db.account.count({ ...(status === undefined ? {} : { where: { status } }), take: most }),

    change: (tx: Transaction, name: string, limits: Limits) => tx.account.update({ where: { name }, data: limits }),

    /** The account as it is now; undefined when nothing changed. */
    async setStatus(tx: Transaction, name: string, status: 'active' | 'suspended') {
      const [changed] = await tx.account.updateManyAndReturn({
        where: { name, status: { not: status } },
        data: { status },
      });
      return changed;
    },
  };
}
