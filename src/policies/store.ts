import type { Database, Transaction } from '../db/client.js';
import type { PolicyDocument } from '../policy/policy.js';

/** A policy as things carry it: one version, the active one. */
export type ActivePolicy = { name: string; version: number; document: PolicyDocument };

export type PolicyStore = ReturnType<typeof createPolicyStore>;

export function createPolicyStore(db: Database) {
  return {
    /** Writes version 1 of new policies and makes it the active one. */
    async insertFirst(
      tx: Transaction,
      account: string,
      documents: PolicyDocument[],
      at: Date,
      createdBy: string,
    ): Promise<void> {
      await tx.policy.createMany({
        data: documents.map(({ name }) => ({ accountName: account, name, activeVersion: 1 })),
      });
      await tx.policyVersion.createMany({
        data: documents.map((document) => ({
          accountName: account,
          name: document.name,
          version: 1,
          document: document,
          createdAt: at,
          createdBy,
        })),
      });
    },

    /** The active version of every policy of an account. */
    async active(account: string): Promise<Map<string, ActivePolicy>> {
      const rows = await db.$queryRaw<ActivePolicy[]>`
        SELECT p.name, v.version, v.document FROM policies p
        JOIN policy_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version
        WHERE p.account_name = ${account}`;
      return new Map(rows.map((row) => [row.name, row]));
    },
  };
}
