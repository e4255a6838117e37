import { sql, type Database, type Transaction } from '../../db/client.js';

/** The session of a person, as stored. */
export type StoredSession = {
  id: string;
  personId: string;
  methods: string[];
  createdAt: Date;
  lastSeenAt: Date;
  /** When a factor was last shown. */
  authenticatedAt: Date;
  /** When it ends, however busy it is. */
  expiresAt: Date;
  sourceIp: string | null;
  userAgent: string | null;
  providerId: string | null;
  /** Until when the provider is trusted to have said that the person is still there; null without a provider. */
  vouchedUntil: Date | null;
};

/** What a provider said when it let somebody in. */
export type Vouched = {
  providerId: string;
  subject: string;
  providerSession: string | null;
  refreshSealed: Buffer | null;
  vouchedUntil: Date;
  recheckAt: Date | null;
};

/** A session to store, with the hash of its secret. */
export type NewSession = Omit<StoredSession, 'providerId' | 'vouchedUntil'> & { hash: Buffer; vouched: Vouched | null };

export type SessionStore = ReturnType<typeof createSessionStore>;

/** Sessions of people. Of what their cookies hold, only the hash is stored. */
export function createSessionStore(db: Database) {
  const shown = {
    id: true,
    personId: true,
    methods: true,
    createdAt: true,
    lastSeenAt: true,
    authenticatedAt: true,
    expiresAt: true,
    sourceIp: true,
    userAgent: true,
    providerId: true,
    vouchedUntil: true,
  } as const;

  return {
    /** Writes a session, and ends the oldest of a person who would have more than `most`. */
    async insert(tx: Transaction, { hash, vouched, ...session }: NewSession, most: number): Promise<void> {
      await tx.$executeRaw(sql`
        DELETE FROM person_sessions WHERE id IN (SELECT id FROM person_sessions WHERE person_id = ${session.personId}::uuid
          ORDER BY last_seen_at DESC OFFSET ${most - 1})`);
      const { refreshSealed = null, ...rest } = vouched ?? {};
      const sealed = refreshSealed === null ? {} : { refreshSealed: new Uint8Array(refreshSealed) };
      await tx.personSession.create({ data: { ...session, ...rest, ...sealed, hash: new Uint8Array(hash) } });
    },

    async findByHash(hash: Buffer): Promise<StoredSession | undefined> {
      return (await db.personSession.findUnique({ where: { hash: new Uint8Array(hash) }, select: shown })) ?? undefined;
    },

    async find(id: string): Promise<StoredSession | undefined> {
      return (await db.personSession.findUnique({ where: { id }, select: shown })) ?? undefined;
    },

    /** A session that does not end before the transaction does; undefined for one that has. */
    async hold(tx: Transaction, id: string): Promise<Pick<StoredSession, 'expiresAt' | 'vouchedUntil'> | undefined> {
      const [row] = await tx.$queryRaw<Pick<StoredSession, 'expiresAt' | 'vouchedUntil'>[]>(sql`
        SELECT expires_at AS "expiresAt", vouched_until AS "vouchedUntil" FROM person_sessions WHERE id = ${id}::uuid FOR SHARE`);
      return row;
    },

    /** Those of a person, the last used first. */
    list: (personId: string): Promise<StoredSession[]> =>
      db.personSession.findMany({ where: { personId }, orderBy: { lastSeenAt: 'desc' }, select: shown }),

    /** Notes when a person last did something. An earlier time changes nothing. */
    async touch(id: string, at: Date): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE person_sessions SET last_seen_at = GREATEST(last_seen_at, ${at}) WHERE id = ${id}::uuid`);
    },

    /** Gives a session another secret after a factor was shown. False when it has ended. */
    async renew(
      tx: Transaction,
      id: string,
      { hash, at, methods }: { hash: Buffer; at: Date; methods: string[] },
    ): Promise<boolean> {
      const { count } = await tx.personSession.updateMany({
        where: { id },
        data: { hash: new Uint8Array(hash), authenticatedAt: at, lastSeenAt: at, methods },
      });
      return count === 1;
    },

    /** Ends one session of a person. False when there is none. */
    async end(tx: Transaction, personId: string, id: string): Promise<boolean> {
      const { count } = await tx.personSession.deleteMany({ where: { personId, id } });
      return count === 1;
    },

    /** Ends the sessions of a person, but for one. */
    async endOthers(tx: Transaction, personId: string, kept?: string): Promise<void> {
      await tx.personSession.deleteMany({ where: { personId, ...(kept === undefined ? {} : { id: { not: kept } }) } });
    },

    /** Forgets what has ended by time. */
    async sweep(before: { expired: Date; idle: Date }): Promise<void> {
      await db.personSession.deleteMany({
        where: { OR: [{ expiresAt: { lt: before.expired } }, { lastSeenAt: { lt: before.idle } }] },
      });
    },
  };
}
