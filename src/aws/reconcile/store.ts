import { sql, type Database } from '../../db/client.js';
import type { StepName } from '../mirror/step.js';
import { createRunStore } from '../runs/run-store.js';

/** What a comparison looks at, in this order. */
export const phases = ['things', 'certificates', 'policies', 'groups', 'attachments'] as const;

/** One of {@link phases}. */
export type Phase = (typeof phases)[number];

/** A difference between AWS and the registry. */
export type Finding = {
  kind:
    | 'missing-thing'
    | 'changed-thing'
    | 'orphan-thing'
    | 'missing-certificate'
    | 'wrong-status'
    | 'orphan-certificate'
    | 'missing-policy'
    | 'changed-policy'
    | 'orphan-policy'
    | 'missing-membership'
    | 'missing-attachment'
    | 'extra-attachment'
    | 'wrong-policies';
  /** The thing, certificate or policy. */
  subject: string;
  detail?: string;
};

/** A comparison of AWS with the registry, and how far it has come. */
export type Reconciliation = {
  id: string;
  account: string;
  dryRun: boolean;
  status: 'running' | 'done' | 'failed';
  phase: Phase;
  progress: Partial<Record<Phase, number>> & { foreign?: number };
  findings: Finding[];
  counts: Record<string, number>;
  reason: string | null;
  startedAt: Date;
  finishedAt: Date | null;
};

/** What the registry wants of something that a list of AWS named. */
export type Known = {
  sagaId: string;
  step: string;
  wanted: string;
  reached: string | null;
  subject: string;
  isIdle: boolean;
  /** Of a thing. */
  name?: string;
};

/** A thing to compare the attachments of. */
export type AttachedThing = {
  sagaId: string;
  name: string;
  steps: { step: StepName; wanted: string; result: { certificateArn?: string } | null }[];
};

export type ReconcileStore = ReturnType<typeof createReconcileStore>;

/** Differences that are kept word by word. The others are counted. */
export const mostFindings = 1000;
const keepDays = 90;
// Nothing is in the works: what AWS has now should be what is wanted.
const idle = sql`s.claimed_by IS NULL AND s.change = s.mirrored AND s.status IN ('active', 'drifted', 'gone')`;

/** Reads and writes comparisons of AWS with the registry. One runs on one instance at a time. */
export function createReconcileStore(db: Database, instance: string) {
  const runs = createRunStore(db, 'reconciliations', instance);

  return {
    start: runs.start,

    async find(account: string, id: string): Promise<Reconciliation | undefined> {
      const row = await db.awsReconciliation.findUnique({ where: { id, accountName: account } });
      return row ? toReconciliation(row) : undefined;
    },

    async latest(account: string): Promise<Reconciliation[]> {
      const where = { accountName: account };
      const rows = await db.awsReconciliation.findMany({ where, orderBy: { startedAt: 'desc' }, take: 20 });
      return rows.map(toReconciliation);
    },

    /** Accounts whose time for a comparison has come. */
    async accountsDue(at: Date): Promise<string[]> {
      const rows = await db.$queryRaw<{ account: string }[]>(sql`
        SELECT account_name AS account FROM aws_mirrors WHERE mode <> 'off' AND reconcile_hours > 0 AND blocked_until IS NULL
          AND COALESCE(reconciled_at, updated_at) <= ${at}::timestamptz - reconcile_hours * interval '1 hour'`);
      return rows.map(({ account }) => account);
    },

    /** Takes a comparison that nobody is at. */
    async claim(at: Date, until: Date): Promise<Reconciliation | undefined> {
      const id = await runs.claim(at, until);
      return id === undefined
        ? undefined
        : toReconciliation(await db.awsReconciliation.findUniqueOrThrow({ where: { id } }));
    },

    /** Notes how far it is. False when the claim is lost. */
    save: ({ id, phase, progress, findings, counts }: Reconciliation): Promise<boolean> =>
      runs.save(
        id,
        sql`phase = ${phase}, progress = ${JSON.stringify(progress)}::jsonb, counts = ${JSON.stringify(counts)}::jsonb,
          findings = ${JSON.stringify(findings)}::jsonb`,
      ),

    async finish(
      { id, account }: Reconciliation,
      status: 'done' | 'failed',
      reason: string | null,
      at: Date,
    ): Promise<void> {
      await runs.finish(id, status, reason, at);
      await db.$executeRaw(sql`
        DELETE FROM aws_reconciliations WHERE account_name = ${account} AND started_at < ${at}::timestamptz - ${keepDays} * interval '1 day'`);
      // A failed one is not tried again at once either.
      await db.$executeRaw(sql`UPDATE aws_mirrors SET reconciled_at = ${at} WHERE account_name = ${account}`);
    },

    /** What is wanted of things, by their ids; notes that AWS has them. */
    async seeThings({ id, account }: Reconciliation, ids: string[]): Promise<Known[]> {
      return db.$queryRaw<Known[]>(sql`
        UPDATE aws_steps p SET seen_by = ${id}::uuid FROM aws_sagas s, things t
        WHERE p.saga_id = s.id AND p.step = 'thing' AND s.account_name = ${account} AND t.id = s.thing_id AND s.thing_id::text = ANY(${ids})
        RETURNING p.saga_id AS "sagaId", p.step, p.wanted, p.reached, t.id AS subject, COALESCE(t.former_name, t.name) AS name, ${idle} AS "isIdle"`);
    },

    /** The same of certificates, by what AWS calls them. */
    async seeCertificates({ id, account }: Reconciliation, ids: string[]): Promise<Known[]> {
      return db.$queryRaw<Known[]>(sql`
        UPDATE aws_steps p SET seen_by = ${id}::uuid FROM aws_sagas s
        WHERE p.saga_id = s.id AND p.step LIKE 'certificate:%' AND s.account_name = ${account}
          AND p.result->>'certificateId' = ANY(${ids}) AND p.result ? 'certificateId'
        RETURNING p.saga_id AS "sagaId", p.step, p.wanted, p.reached, p.result->>'certificateId' AS subject, ${idle} AS "isIdle"`);
    },

    /** Which of these fingerprints are of certificates of the account. */
    async ownFingerprints({ account }: Reconciliation, fingerprints: string[]): Promise<string[]> {
      const where = { accountName: account, fingerprint: { in: fingerprints } };
      return (await db.certificate.findMany({ where, select: { fingerprint: true } })).map(
        ({ fingerprint }) => fingerprint,
      );
    },

    /** The same of policies, by their names here. */
    async seePolicies({ id, account }: Reconciliation, names: string[]): Promise<Known[]> {
      return db.$queryRaw<Known[]>(sql`
        UPDATE aws_steps p SET seen_by = ${id}::uuid FROM aws_sagas s
        WHERE p.saga_id = s.id AND p.step = 'document' AND s.account_name = ${account} AND s.policy = ANY(${names})
        RETURNING p.saga_id AS "sagaId", p.step, p.wanted, p.reached, s.policy AS subject,
          s.claimed_by IS NULL AND s.due_at IS NULL AS "isIdle"`);
    },

    /** Notes which things are in the group. */
    async seeMembers({ id, account }: Reconciliation, names: string[]): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE aws_steps p SET seen_by = ${id}::uuid FROM aws_sagas s, things t
        WHERE p.saga_id = s.id AND p.step = 'group' AND s.account_name = ${account} AND t.id = s.thing_id AND t.name = ANY(${names})`);
    },

    /** Steps that AWS should have the result of, and that no list of this comparison named. */
    async unseen({ id, account, startedAt }: Reconciliation, steps: string, limit: number): Promise<Known[]> {
      return db.$queryRaw<Known[]>(sql`
        SELECT p.saga_id AS "sagaId", p.step, p.wanted, p.reached, COALESCE(t.name, s.policy) AS subject, true AS "isIdle"
        FROM aws_steps p JOIN aws_sagas s ON s.id = p.saga_id LEFT JOIN things t ON t.id = s.thing_id
        WHERE s.account_name = ${account} AND p.step LIKE ${steps} AND p.reached = p.wanted AND p.reached NOT IN ('deleted', 'REVOKED', 'INACTIVE')
          AND p.seen_by IS DISTINCT FROM ${id}::uuid AND p.reached_at < ${startedAt} AND s.claimed_by IS NULL AND s.status IN ('active', 'failed')
          AND t.deleted_at IS NULL
        ORDER BY p.saga_id LIMIT ${limit}`);
    },

    /** Has sagas do all their steps again, because one of them is undone; with `dryRun` only says so. */
    async mend({ dryRun }: Reconciliation, sagaIds: string[], reason: string): Promise<void> {
      if (dryRun) {
        await db.$executeRaw(sql`
          UPDATE aws_sagas SET status = 'drifted', reason = ${reason} WHERE id = ANY(${sagaIds}::uuid[]) AND status = 'active'`);
        return;
      }
      await db.$executeRaw(sql`
        WITH s AS (UPDATE aws_sagas SET change = change + 1, status = CASE WHEN status = 'active' THEN 'drifted' ELSE status END, reason = ${reason},
          due_at = '1970-01-01Z', pending_since = COALESCE(pending_since, now()) WHERE id = ANY(${sagaIds}::uuid[]) RETURNING id)
        UPDATE aws_steps p SET reached = NULL FROM s WHERE p.saga_id = s.id AND p.reached IS DISTINCT FROM 'deleted'`);
    },

    /** Things whose attachments are settled, in order of their sagas. */
    async attached({ account }: Reconciliation, after: string, limit: number): Promise<AttachedThing[]> {
      return db.$queryRaw<AttachedThing[]>(sql`
        SELECT s.id AS "sagaId", t.name, (SELECT jsonb_agg(jsonb_build_object('step', p.step, 'wanted', p.wanted, 'result', p.result))
          FROM aws_steps p WHERE p.saga_id = s.id) AS steps
        FROM aws_sagas s JOIN things t ON t.id = s.thing_id
        WHERE s.account_name = ${account} AND s.id > ${after}::uuid AND (${idle} OR s.status = 'drifted') AND s.status <> 'gone'
          AND t.deleted_at IS NULL
          AND EXISTS (SELECT 1 FROM aws_steps p WHERE p.saga_id = s.id)
        ORDER BY s.id LIMIT ${limit}`);
    },
  };
}

type Row = NonNullable<Awaited<ReturnType<Database['awsReconciliation']['findUnique']>>>;

function toReconciliation({ accountName, status, phase, progress, findings, counts, ...row }: Row): Reconciliation {
  return {
    ...row,
    account: accountName,
    status: status as Reconciliation['status'],
    phase: phase as Phase,
    progress: progress as Reconciliation['progress'],
    findings: findings as Finding[],
    counts: counts as Record<string, number>,
  };
}
