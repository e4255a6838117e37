import { addSeconds } from '../clock.js';
import { sql, type Database, type Json } from '../db/client.js';
import { refusal } from './problem.js';

/** An order for a certificate of one thing. */
export type Order = {
  id: string;
  acmeAccountId: string;
  thingName: string;
  status: 'ready' | 'processing' | 'valid' | 'invalid';
  /** While it is processed: the request in DER. */
  csr: Buffer | null;
  /** SHA-256 of the key that it was finalized with. */
  spkiSha256: Buffer | null;
  /** The serial number of the certificate that it renews; null for a first one. */
  renews: string | null;
  /** The certificate that the client says it replaces (RFC 9773 §5). */
  replaces: string | null;
  serialNumber: string | null;
  /** Why it is invalid. */
  problem: Json | null;
  createdAt: Date;
  finalizedAt: Date | null;
  expiresAt: Date;
};

/** What an order begins with. */
export type NewOrder = Pick<Order, 'id' | 'acmeAccountId' | 'thingName' | 'replaces'> & { at: Date };

/** What finalizing an order fixes. */
type Finalized = { csr: Buffer; spkiSha256: Buffer; renews: string | null; at: Date };

/** How many orders of an account are kept at the same time; docs/limits.md lists it. */
export const mostOrders = 1000;

const openSeconds = 7 * 86_400;
const doneSeconds = 86_400;
const sweepAtOnce = 1000;

export type OrderStore = ReturnType<typeof createOrderStore>;

/** Reads and writes orders. One that has expired counts as none, also before it is swept. */
export function createOrderStore(db: Database) {
  /** Ends an order that is being processed, or that waits for its request. */
  const end = async (id: string, from: 'processing' | 'ready', data: object): Promise<void> =>
    void (await db.acmeOrder.updateMany({ where: { id, status: from }, data: { ...data, csr: null } }));

  return {
    /** @throws DomainError `rateLimited` when the account has as many as it may */
    insert: ({ at, ...order }: NewOrder): Promise<void> =>
      db.$transaction(async (tx) => {
        const { acmeAccountId } = order;
        await tx.$queryRaw(sql`SELECT 1 FROM acme_accounts WHERE id = ${acmeAccountId}::uuid FOR UPDATE`);
        const kept = await tx.acmeOrder.count({ where: { acmeAccountId, expiresAt: { gt: at } }, take: mostOrders });
        if (kept >= mostOrders)
          throw refusal(
            'rateLimited',
            `the account has ${mostOrders} orders, which is the limit: finalize them, or wait until they expire`,
            { retryAfter: 3600 },
          );
        await tx.acmeOrder.create({ data: { ...order, createdAt: at, expiresAt: addSeconds(at, openSeconds) } });
      }),

    async find(acmeAccountId: string, id: string, at: Date): Promise<Order | undefined> {
      const row = await db.acmeOrder.findFirst({ where: { id, acmeAccountId, expiresAt: { gt: at } } });
      return row ? toOrder(row) : undefined;
    },

    /** The ids of the orders of an account, from the one after `after`. */
    async list(acmeAccountId: string, after: string | undefined, limit: number, at: Date): Promise<string[]> {
      const rows = await db.acmeOrder.findMany({
        where: {
          acmeAccountId,
          expiresAt: { gt: at },
          status: { not: 'invalid' },
          ...(after === undefined ? {} : { id: { gt: after } }),
        },
        orderBy: { id: 'asc' },
        take: limit,
        select: { id: true },
      });
      return rows.map(({ id }) => id);
    },

    /** Whether an order that may still succeed names a certificate as the one that it replaces. */
    async isReplaced(acmeAccountId: string, replaces: string, at: Date): Promise<boolean> {
      const where = { acmeAccountId, replaces, status: { not: 'invalid' }, expiresAt: { gt: at } };
      return (await db.acmeOrder.count({ where, take: 1 })) > 0;
    },

    /** Takes the request of an order, once: of many at the same time, one counts. */
    async begin(id: string, { csr, spkiSha256, renews, at }: Finalized): Promise<void> {
      await db.acmeOrder.updateMany({
        where: { id, status: 'ready' },
        data: {
          status: 'processing',
          csr: new Uint8Array(csr),
          spkiSha256: new Uint8Array(spkiSha256),
          renews,
          finalizedAt: at,
        },
      });
    },

    finish: (id: string, serialNumber: string, at: Date): Promise<void> =>
      end(id, 'processing', { status: 'valid', serialNumber, expiresAt: addSeconds(at, doneSeconds) }),

    fail: (id: string, from: 'processing' | 'ready', problem: Json, at: Date): Promise<void> =>
      end(id, from, { status: 'invalid', problem, expiresAt: addSeconds(at, doneSeconds) }),

    async sweep(at: Date): Promise<void> {
      await db.$executeRaw(sql`
        DELETE FROM acme_orders WHERE id IN (
          SELECT id FROM acme_orders WHERE expires_at <= ${at} LIMIT ${sweepAtOnce} FOR UPDATE SKIP LOCKED)`);
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['acmeOrder']['findFirst']>>>;

const octets = (bytes: Uint8Array | null): Buffer | null => (bytes === null ? null : Buffer.from(bytes));

function toOrder({ status, csr, spkiSha256, problem, ...row }: Row): Order {
  return {
    ...row,
    status: status as Order['status'],
    csr: octets(csr),
    spkiSha256: octets(spkiSha256),
    problem,
  };
}
