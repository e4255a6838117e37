import type { Database, Transaction } from '../db/client.js';
import { isUniqueViolation } from '../db/errors.js';
import { beyond, type Span } from '../api/paging.js';
import type { DeliveryStatus, Receiver, ReceiverKind } from './receiver.js';

type ReceiverRow = NonNullable<Awaited<ReturnType<Database['receiver']['findUnique']>>>;

/** A receiver as stored. */
export function toReceiver(row: ReceiverRow): Receiver {
  const { id, accountName, name, url, recipients, types, secretSealed, enabled, createdAt, createdBy, fullSince } = row;
  return {
    id,
    account: accountName,
    kind: row.kind as ReceiverKind,
    name,
    url,
    recipients,
    types,
    secretSealed: secretSealed && Buffer.from(secretSealed),
    enabled,
    createdAt,
    createdBy,
    fullSince,
  };
}

const toColumns = ({ name, url, recipients, types, secretSealed, enabled }: Receiver) => ({
  name,
  url,
  recipients,
  types,
  secretSealed: secretSealed && new Uint8Array(secretSealed),
  enabled,
});

export type ReceiverStore = ReturnType<typeof createReceiverStore>;

/** Receivers, and what became of what they were told. */
export function createReceiverStore(db: Database) {
  return {
    count: (tx: Transaction, account: string, kinds: readonly ReceiverKind[], most: number): Promise<number> =>
      tx.receiver.count({ where: { accountName: account, kind: { in: [...kinds] } }, take: most }),

    /** False when the name is taken; the transaction is of no use then. */
    insert: (tx: Transaction, receiver: Receiver): Promise<boolean> =>
      unlessTaken(() => {
        const { id, account, kind, createdAt, createdBy } = receiver;
        return tx.receiver.create({
          data: { id, accountName: account, kind, createdAt, createdBy, ...toColumns(receiver) },
        });
      }),

    /** Changes a receiver, which may be told at once. A delivery in progress ends, and nothing more is sent by it. False when the name is taken. */
    update: (tx: Transaction, receiver: Receiver): Promise<boolean> =>
      unlessTaken(() =>
        tx.receiver.update({
          where: { id: receiver.id },
          data: { ...toColumns(receiver), claimedBy: null, nextAt: null, failures: 0 },
        }),
      ),

    /** Deletes a receiver with its queue. False when there is none. */
    async delete(tx: Transaction, account: string, id: string): Promise<boolean> {
      const { count } = await tx.receiver.deleteMany({ where: { id, accountName: account } });
      if (count === 1) await tx.delivery.deleteMany({ where: { receiverId: id } });
      return count === 1;
    },

    async find(
      tx: Pick<Database, 'receiver'> | undefined,
      account: string,
      id: string,
      kinds: readonly ReceiverKind[],
    ): Promise<Receiver | undefined> {
      const row = await (tx ?? db).receiver.findFirst({
        where: { id, accountName: account, kind: { in: [...kinds] } },
      });
      return row ? toReceiver(row) : undefined;
    },

    async list(account: string, kinds: readonly ReceiverKind[], span: Span): Promise<Receiver[]> {
      const after = beyond(span);
      const rows = await db.receiver.findMany({
        where: { accountName: account, kind: { in: [...kinds] }, ...(after === undefined ? {} : { id: after }) },
        orderBy: { id: 'asc' },
        take: span.limit,
      });
      return rows.map(toReceiver);
    },

    /** What a receiver was told or will be, newest first, from those before an id. */
    listDeliveries: (receiver: string, status: DeliveryStatus | undefined, before: bigint | undefined, limit: number) =>
      db.delivery.findMany({
        where: {
          receiverId: receiver,
          ...(status === undefined ? {} : { status }),
          ...(before === undefined ? {} : { id: { lt: before } }),
        },
        orderBy: { id: 'desc' },
        take: limit,
      }),

    findDelivery: (tx: Transaction | undefined, receiver: string, id: bigint) =>
      (tx ?? db).delivery.findFirst({ where: { id, receiverId: receiver } }),

    /** Has a message that was parked told again, from now on for as long as any other. */
    async retry(tx: Transaction, receiver: string, id: bigint, at: Date): Promise<boolean> {
      const { count } = await tx.delivery.updateMany({
        where: { id, receiverId: receiver, status: { in: ['parked', 'pending'] } },
        data: { status: 'pending', since: at, nextAt: at },
      });
      if (count === 1) await tx.receiver.updateMany({ where: { id: receiver }, data: { nextAt: null } });
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
