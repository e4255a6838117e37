import { sql, type Database, type Transaction } from '../db/client.js';
import { isUniqueViolation } from '../db/errors.js';
import type { AwsRates } from './client/calls.js';
import { AwsFailure } from './client/failure.js';
import type { MirrorSettings } from './schema.js';

/** What keeps a whole mirror from working. */
type Trouble = { call: string; reason: string; since: string };

/** Whether and where an account is mirrored in AWS IoT. */
export type Mirror = Omit<MirrorSettings, 'rates' | 'mode'> & {
  account: string;
  mode: 'off' | MirrorSettings['mode'];
  rates: AwsRates;
  updatedAt: Date;
  /** Since when the AWS account and region is known to be this account's, and nobody else's. */
  heldAt: Date | null;
  reconciledAt: Date | null;
  trouble: Trouble | null;
  blockedUntil: Date | null;
};

export type SettingsStore = ReturnType<typeof createSettingsStore>;

/** The settings of mirrors, and what is wrong with them. */
export function createSettingsStore(db: Database) {
  return {
    async find(account: string): Promise<Mirror | undefined> {
      const row = await db.awsMirror.findUnique({ where: { accountName: account } });
      return row ? toMirror(row) : undefined;
    },

    /** Locks the settings until the transaction ends. */
    async lock(tx: Transaction, account: string): Promise<Mirror | undefined> {
      // The account, because the first settings have no row to lock yet.
      await tx.$queryRaw(sql`SELECT 1 FROM accounts WHERE name = ${account} FOR NO KEY UPDATE`);
      const row = await tx.awsMirror.findUnique({ where: { accountName: account } });
      return row ? toMirror(row) : undefined;
    },

    /** Unless it is the place and role that it was, what was proved of the old one proves nothing. */
    async put(tx: Transaction, account: string, settings: MirrorSettings, at: Date, isSame: boolean): Promise<void> {
      const { roleArn = null, endpoint = null, stsEndpoint = null, rates, ...rest } = settings;
      const data = {
        ...rest,
        roleArn,
        endpoint,
        stsEndpoint,
        rates: rates as object,
        updatedAt: at,
        blockedUntil: null,
        ...(isSame ? {} : { heldAt: null }),
      };
      await tx.awsMirror.upsert({
        where: { accountName: account },
        create: { accountName: account, ...data },
        update: data,
      });
      await tx.$executeRaw(sql`UPDATE aws_mirrors SET trouble = NULL WHERE account_name = ${account}`);
    },

    /**
     * Takes the AWS account and region of a mirror, after its credentials proved to be of that account. Nobody else can
     * take it then. @throws AwsFailure `account` when somebody has, `transient` when the settings have changed
     */
    async hold({ account, awsAccount, region, updatedAt }: Mirror, at: Date): Promise<void> {
      try {
        const { count } = await db.awsMirror.updateMany({
          where: { accountName: account, updatedAt, heldAt: null, mode: { not: 'off' } },
          data: { heldAt: at },
        });
        if (count === 1) return;
        const present = await db.awsMirror.findUnique({ where: { accountName: account } });
        if (!present?.heldAt) throw new AwsFailure('transient', 'AssumeRole', 'the settings have changed meanwhile');
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new AwsFailure(
          'account',
          'AssumeRole',
          `${awsAccount} in ${region} is mirrored already, by an account that proved its right earlier: choose another region or AWS account`,
        );
      }
    },

    async switchOff(tx: Transaction, account: string, at: Date): Promise<void> {
      await tx.awsMirror.updateMany({
        where: { accountName: account },
        data: { mode: 'off', updatedAt: at, heldAt: null },
      });
    },

    /** Forgets what was done: the mirror is another from now on. */
    async forget(tx: Transaction, account: string): Promise<void> {
      await tx.$executeRaw(
        sql`DELETE FROM aws_steps WHERE saga_id IN (SELECT id FROM aws_sagas WHERE account_name = ${account})`,
      );
      await tx.$executeRaw(sql`DELETE FROM aws_rates WHERE account_name = ${account}`);
    },

    /** Makes every policy and every thing of an account due, those that were mirrored before too. */
    async enqueueAll(tx: Transaction, account: string, at: Date): Promise<void> {
      await tx.$executeRaw(sql`
        INSERT INTO aws_sagas (account_name, policy, due_at, pending_since, urgent)
        SELECT account_name, name, '1970-01-01Z', ${at}, true FROM policies WHERE account_name = ${account} ON CONFLICT DO NOTHING`);
      await tx.$executeRaw(sql`
        INSERT INTO aws_sagas (account_name, thing_id, due_at, pending_since)
        SELECT account_name, id, '1970-01-01Z', ${at} FROM things WHERE account_name = ${account} AND deleted_at IS NULL ON CONFLICT DO NOTHING`);
      await tx.$executeRaw(sql`
        UPDATE aws_sagas SET change = change + 1, status = 'pending', due_at = '1970-01-01Z', pending_since = COALESCE(pending_since, ${at})
        WHERE id IN (SELECT id FROM aws_sagas WHERE account_name = ${account} AND pending_since IS DISTINCT FROM ${at} ORDER BY id FOR UPDATE)`);
    },

    /** Stops every call of a mirror until then, because of something that all of them would meet. */
    async block(account: string, { call, reason, since }: Trouble, until: Date): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE aws_mirrors SET blocked_until = ${until},
          trouble = jsonb_build_object('call', ${call}::text, 'reason', ${reason}::text, 'since', COALESCE(trouble->>'since', ${since}::text))
        WHERE account_name = ${account}`);
    },

    /** Lets the calls of a mirror continue, and begins again what failed by the same trouble. */
    async unblock(account: string, tx: Transaction = db): Promise<void> {
      await tx.$executeRaw(
        sql`UPDATE aws_mirrors SET blocked_until = NULL, trouble = NULL WHERE account_name = ${account}`,
      );
      await tx.$executeRaw(sql`
        UPDATE aws_sagas SET status = 'pending', due_at = '1970-01-01Z' WHERE id IN (
          SELECT id FROM aws_sagas WHERE account_name = ${account} AND status = 'failed' AND due_at IS NOT NULL ORDER BY id FOR UPDATE SKIP LOCKED)`);
    },

    /** Blocked mirrors whose time has come to be tried with one saga; only one instance gets each. */
    async takeProbes(at: Date, until: Date): Promise<string[]> {
      const rows = await db.$queryRaw<{ account: string }[]>(sql`
        UPDATE aws_mirrors SET blocked_until = ${until}
        WHERE (blocked_until <= ${at} OR blocked_until > ${at}::timestamptz + interval '15 minutes') AND mode <> 'off' RETURNING account_name AS account`);
      return rows.map(({ account }) => account);
    },

    /** How things stand in AWS, with what AWS calls their newest certificate. */
    statusesOf: (thingIds: string[]) =>
      db.$queryRaw<{ thingId: string; status: string; reason: string | null; certificateId: string | null }[]>(sql`
        SELECT s.thing_id AS "thingId", s.status, s.reason, c.id AS "certificateId" FROM aws_sagas s
        LEFT JOIN LATERAL (
          SELECT COALESCE(p.result->>'certificateId', c.fingerprint) AS id FROM certificates c
          LEFT JOIN aws_steps p ON p.saga_id = s.id AND p.step = 'certificate:' || c.fingerprint
          WHERE c.thing_id = s.thing_id ORDER BY c.created_at DESC LIMIT 1) c ON true
        WHERE s.thing_id = ANY(${thingIds}::uuid[])`),

    policyStatus: (account: string, policy: string) =>
      db.awsSaga.findUnique({
        where: { accountName_policy: { accountName: account, policy } },
        select: { status: true, reason: true },
      }),
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['awsMirror']['findUnique']>>>;

function toMirror({ accountName, mode, roleArn, endpoint, stsEndpoint, rates, trouble, ...row }: Row): Mirror {
  return {
    ...row,
    account: accountName,
    mode: mode as Mirror['mode'],
    roleArn: roleArn ?? undefined,
    endpoint: endpoint ?? undefined,
    stsEndpoint: stsEndpoint ?? undefined,
    rates: rates as AwsRates,
    trouble: trouble as Trouble | null,
  };
}
