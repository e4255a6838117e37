import { sql, type Database, type Transaction } from '../db/client.js';

/** An enrollment as stored: who may make things with it, and which. */
export type StoredEnrollment = {
  id: string;
  account: string;
  policies: string[];
  thingNamePattern: string;
  thingType: string | null;
  maxUses: number;
  uses: number;
  expiresAt: Date | null;
  sourceCidrs: string[];
  attributes: Record<string, string>;
  deviceAttributes: string[];
  segment: string | null;
  /** The thing that it gives a new key; the next three say how. */
  reenrollsThingId: string | null;
  /** Why what came before ends when the new certificate is first used; null means cessationOfOperation. */
  reenrollReason: string | null;
  /** It may give a revoked or deleted thing's name to a new thing. */
  bringsBack: boolean;
  /** It may take a key over from a thing that is revoked or deleted. */
  movesKeys: boolean;
  /** `required`: its devices wait until an operator approves each. */
  approval: string | null;
  /** How long its things can renew after their certificates expired, in seconds; null means as long as the account says. */
  renewGraceSeconds: number | null;
  /** How long its certificates live, in seconds, up to the limit of the account; null means 90 days. */
  certificateSeconds: number | null;
  /** Asked before a device is admitted; the next two say how. */
  checkUrl: string | null;
  checkTimeoutMs: number | null;
  /** What signs the question. */
  checkSecretSealed: Buffer | null;
  /** Only things that are expected get an identity. */
  expectedOnly: boolean;
  /** `ca`: only devices that a certificate of their manufacturer proves. */
  kind: string | null;
  /** Whoever made it proved the key of the manufacturer's authority. */
  caProved: boolean;
  createdAt: Date;
  createdBy: string;
  revokedAt: Date | null;
};

export type EnrollmentStore = ReturnType<typeof createEnrollmentStore>;

/** Reads and writes enrollments. A token itself is never stored, only its hash. */
export function createEnrollmentStore(db: Database) {
  return {
    transaction: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> => db.$transaction(work),

    /** Enrollments of an account, counted no further than `most`. */
    count: (tx: Transaction, account: string, most: number): Promise<number> =>
      tx.enrollment.count({ where: { accountName: account }, take: most }),

    async insert(tx: Transaction, enrollment: StoredEnrollment, tokenHash: Buffer): Promise<void> {
      const { account, checkSecretSealed: sealed, ...columns } = enrollment;
      const checkSecretSealed = sealed && new Uint8Array(sealed);
      const data = { ...columns, checkSecretSealed, accountName: account, tokenHash: new Uint8Array(tokenHash) };
      await tx.enrollment.create({ data });
    },

    async findByTokenHash(tokenHash: Buffer): Promise<StoredEnrollment | undefined> {
      const row = await db.enrollment.findUnique({ where: { tokenHash: new Uint8Array(tokenHash) } });
      return row ? toStoredEnrollment(row) : undefined;
    },

    async find(account: string, id: string): Promise<StoredEnrollment | undefined> {
      const row = await db.enrollment.findUnique({ where: { id, accountName: account } });
      return row ? toStoredEnrollment(row) : undefined;
    },

    /** The hash of an enrollment's token. */
    async tokenHashOf(id: string): Promise<Buffer> {
      const { tokenHash } = await db.enrollment.findUniqueOrThrow({ where: { id }, select: { tokenHash: true } });
      return Buffer.from(tokenHash);
    },

    /** The account of an enrollment. */
    async accountOf(id: string): Promise<string | undefined> {
      return (await db.enrollment.findUnique({ where: { id }, select: { accountName: true } }))?.accountName;
    },

    async list(account: string, after: string | undefined, limit: number): Promise<StoredEnrollment[]> {
      const rows = await db.enrollment.findMany({
        where: { accountName: account, ...(after === undefined ? {} : { id: { gt: after } }) },
        orderBy: { id: 'asc' },
        take: limit,
      });
      return rows.map(toStoredEnrollment);
    },

    /** What the enrollment of a thing says about its certificates. */
    async termsOf(tx: Transaction, thingId: string) {
      const [row] = await tx.$queryRaw<Pick<StoredEnrollment, 'renewGraceSeconds' | 'certificateSeconds'>[]>(sql`
        SELECT e.renew_grace_seconds AS "renewGraceSeconds", e.certificate_seconds AS "certificateSeconds"
        FROM things t JOIN enrollments e ON e.id = t.enrollment_id WHERE t.id = ${thingId}::uuid`);
      return row ?? { renewGraceSeconds: null, certificateSeconds: null };
    },

    /** The longest life of a certificate that an account allows, in seconds. */
    async longestLife(account: string): Promise<number> {
      const where = { name: account };
      return (await db.account.findUniqueOrThrow({ where, select: { maxCertificateSeconds: true } }))
        .maxCertificateSeconds;
    },

    /** False when there is no such enrollment. */
    async setGrace(tx: Transaction, account: string, id: string, seconds: number | null): Promise<boolean> {
      const where = { id, accountName: account };
      const { count } = await tx.enrollment.updateMany({ where, data: { renewGraceSeconds: seconds } });
      return count === 1;
    },

    /** The names of the things that an enrollment made and that are not revoked yet. */
    async thingsOf(id: string): Promise<string[]> {
      const rows = await db.thing.findMany({
        where: { enrollmentId: id, status: { not: 'revoked' } },
        orderBy: { name: 'asc' },
        select: { name: true },
      });
      return rows.map(({ name }) => name);
    },

    /**
     * Closes the re-enrollments of a locked thing that nobody has used yet: only the last one counts. One that is
     * being used at this moment, by a device that waits for the thing, is left to it.
     */
    async closeReenrollments(tx: Transaction, thingId: string, at: Date): Promise<void> {
      await tx.$executeRaw(sql`
        UPDATE enrollments SET revoked_at = ${at}
        WHERE id IN (
          SELECT id FROM enrollments
          WHERE reenrolls_thing_id = ${thingId}::uuid AND revoked_at IS NULL AND uses < max_uses FOR UPDATE SKIP LOCKED)`);
    },

    /** False when it was revoked before. */
    async revoke(tx: Transaction, account: string, id: string, at: Date): Promise<boolean> {
      const { count } = await tx.enrollment.updateMany({
        where: { id, accountName: account, revokedAt: null },
        data: { revokedAt: at },
      });
      return count === 1;
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['enrollment']['findUnique']>>>;

function toStoredEnrollment(stored: Row): StoredEnrollment {
  const {
    accountName,
    tokenHash: _,
    approved: __,
    vouched: ___,
    acmeAccounts: ____,
    proven: _____,
    attributes,
    checkSecretSealed,
    ...row
  } = stored;
  return {
    ...row,
    account: accountName,
    attributes: attributes as Record<string, string>,
    checkSecretSealed: checkSecretSealed && Buffer.from(checkSecretSealed),
  };
}
