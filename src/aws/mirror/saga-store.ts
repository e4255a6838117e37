import { sql, type Database, type Transaction } from '../../db/client.js';
import { isFree } from '../runs/claims-sql.js';
import type { PolicyVersion } from '../../policy/compile.js';
import type { MirroredThing, PlannedStep } from './plan.js';
import type { StepName } from './step.js';

/** A saga that this instance has claimed. */
export type ClaimedSaga = {
  id: string;
  account: string;
  thingId: string | null;
  policy: string | null;
  /** The change that it is about; a later one means that more is wanted by now. */
  change: number;
  attempts: number;
  adopted: boolean;
  /** Its policies in AWS are those that it came with. */
  keepsPolicies: boolean;
};

/** What a call said, kept with the step that made it. */
export type StepResult = {
  certificateId?: string;
  certificateArn?: string;
  /** Why AWS did not do what it may leave undone. */
  refused?: string;
};

/** A step of a saga: what it wants, and what it reached. */
export type StoredStep = {
  step: StepName;
  wanted: string;
  reached: string | null;
  result: StepResult | null;
  /** When it was last reached, be it in doubt now or not. */
  reachedAt: Date | string | null;
};

/** What waits to be tried again waits for minutes: longer, and the clock was ahead when that was written. */
const misdated = (at: Date) =>
  sql`s.status IN ('pending', 'drifted') AND s.due_at > ${at}::timestamptz + interval '15 minutes'`;

export type SagaStore = ReturnType<typeof createSagaStore>;

type ThingState = {
  thing: Omit<MirroredThing, 'certificates'>;
  certificates: object[] | null;
  steps: StoredStep[] | null;
};
type Dated = {
  fingerprint: string;
  notAfter: string;
  revokedAt: string | null;
  reason: string | null;
  external: boolean;
};

/** Sagas and their steps. Every write of a claimed saga is done only while the claim stands. */
export function createSagaStore(db: Database, instance: string) {
  const mine = (saga: ClaimedSaga) => sql`id = ${saga.id}::uuid AND claimed_by = ${instance}::uuid`;

  return {
    /** Accounts that have something due. */
    async accountsDue(at: Date): Promise<string[]> {
      const rows = await db.$queryRaw<{ account: string }[]>(sql`
        SELECT m.account_name AS account FROM aws_mirrors m
        WHERE m.mode <> 'off' AND EXISTS (
          SELECT 1 FROM aws_sagas s WHERE s.account_name = m.account_name AND (s.due_at <= ${at} OR ${misdated(at)}))`);
      return rows.map(({ account }) => account);
    },

    /** Takes the next due saga of an account, so that no other instance does. Undefined when there is none, or the mirror is blocked. */
    async claim(account: string, at: Date, until: Date, { probing = false } = {}): Promise<ClaimedSaga | undefined> {
      const [row] = await db.$queryRaw<ClaimedSaga[]>(sql`
        UPDATE aws_sagas SET claimed_by = ${instance}::uuid, claimed_until = ${until}
        WHERE id = (
          SELECT s.id FROM aws_sagas s JOIN aws_mirrors m ON m.account_name = s.account_name
          WHERE s.account_name = ${account} AND m.mode <> 'off' AND (m.blocked_until IS NULL OR ${probing})
            AND (s.due_at <= ${at} OR ${misdated(at)})
            AND ${isFree(at)}
          ORDER BY s.urgent DESC, s.due_at LIMIT 1 FOR UPDATE OF s SKIP LOCKED)
        RETURNING id, account_name AS account, thing_id AS "thingId", policy, change, attempts, adopted, keeps_policies AS "keepsPolicies"`);
      return row;
    },

    /** Prolongs what this instance has claimed. */
    async prolong(until: Date): Promise<void> {
      await db.$executeRaw(sql`UPDATE aws_sagas SET claimed_until = ${until} WHERE claimed_by = ${instance}::uuid`);
      await db.$executeRaw(
        sql`UPDATE aws_reconciliations SET claimed_until = ${until} WHERE claimed_by = ${instance}::uuid AND status = 'running'`,
      );
      await db.$executeRaw(
        sql`UPDATE aws_imports SET claimed_until = ${until} WHERE claimed_by = ${instance}::uuid AND status = 'running'`,
      );
    },

    /** A thing with its certificates and what was done for it. */
    async loadThing({ id, thingId }: ClaimedSaga): Promise<{ thing: MirroredThing; steps: StoredStep[] }> {
      const [row] = await db.$queryRaw<[ThingState]>(sql`
        SELECT jsonb_build_object('id', t.id, 'account', t.account_name, 'name', COALESCE(t.former_name, t.name), 'thingType', t.thing_type,
            'attributes', t.attributes, 'policies', t.policies, 'deleted', t.deleted_at IS NOT NULL) AS thing,
          (SELECT jsonb_agg(jsonb_build_object('fingerprint', c.fingerprint, 'notAfter', c.not_after, 'revokedAt', c.revoked_at, 'reason', c.reason,
            'external', c.crl_scope = 'external')
            ORDER BY c.created_at) FROM certificates c WHERE c.thing_id = t.id) AS certificates,
          (SELECT jsonb_agg(jsonb_build_object('step', step, 'wanted', wanted, 'reached', reached, 'result', result, 'reachedAt', reached_at))
            FROM aws_steps WHERE saga_id = ${id}::uuid) AS steps
        FROM things t WHERE t.id = ${thingId}::uuid`);
      const certificates = ((row.certificates ?? []) as Dated[]).map(({ notAfter, revokedAt, ...certificate }) => ({
        ...certificate,
        notAfter: new Date(notAfter),
        revokedAt: revokedAt === null ? null : new Date(revokedAt),
      }));
      return { thing: { ...row.thing, certificates }, steps: row.steps ?? [] };
    },

    loadSteps: ({ id }: ClaimedSaga): Promise<StoredStep[]> =>
      db.awsStep.findMany({ where: { sagaId: id } }) as Promise<StoredStep[]>,

    /** The bytes of a certificate, and those of its issuer. */
    async certificate(fingerprint: string): Promise<{ der: Buffer; issuerDer: Buffer }> {
      const row = await db.certificate.findUniqueOrThrow({
        where: { fingerprint },
        select: { der: true, issuer: { select: { certificateDer: true } } },
      });
      return { der: Buffer.from(row.der), issuerDer: Buffer.from(row.issuer.certificateDer) };
    },

    /** The policies of an account that deny something. */
    async denyingPolicies(account: string): Promise<string[]> {
      const rows = await db.$queryRaw<{ name: string }[]>(sql`
        SELECT p.name FROM policies p JOIN policy_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version
        WHERE p.account_name = ${account} AND v.document @? '$.statements[*] ? (@.effect == "deny")'`);
      return rows.map(({ name }) => name);
    },

    /** The active version of a policy. */
    async activePolicy(account: string, name: string): Promise<PolicyVersion> {
      const [row] = await db.$queryRaw<[PolicyVersion]>(sql`
        SELECT v.name, v.version, v.document FROM policies p
        JOIN policy_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version
        WHERE p.account_name = ${account} AND p.name = ${name}`);
      return row;
    },

    /** Writes what the steps are to reach, before the first of their calls. */
    async writePlan({ id }: ClaimedSaga, steps: PlannedStep[]): Promise<void> {
      if (steps.length === 0) return;
      await db.$executeRaw(sql`
        INSERT INTO aws_steps (saga_id, step, wanted)
        SELECT ${id}::uuid, step, wanted FROM jsonb_to_recordset(${JSON.stringify(steps)}::jsonb) AS r(step text, wanted text)
        ON CONFLICT (saga_id, step) DO UPDATE SET wanted = EXCLUDED.wanted WHERE aws_steps.wanted <> EXCLUDED.wanted`);
    },

    /** Notes that a step is done. Returns the newest change; undefined when the claim is lost. */
    async reach(
      saga: ClaimedSaga,
      { step, wanted }: PlannedStep,
      result: StepResult | undefined,
      at: Date,
    ): Promise<number | undefined> {
      const [row] = await db.$queryRaw<{ change: number }[]>(sql`
        WITH s AS (UPDATE aws_sagas SET attempts = 0, reason = NULL WHERE ${mine(saga)} RETURNING id, change)
        UPDATE aws_steps p SET reached = ${wanted}, reached_at = ${at}, reason = NULL,
          result = COALESCE(${result === undefined ? null : JSON.stringify(result)}::jsonb, p.result)
        FROM s WHERE p.saga_id = s.id AND p.step = ${step} RETURNING s.change`);
      return row?.change;
    },

    /** Ends a claim with everything done that was wanted when it began; `nextAt` is when time will ask for more. */
    async finish(saga: ClaimedSaga, nextAt: Date | undefined, isGone: boolean): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE aws_sagas SET mirrored = ${saga.change}, claimed_by = NULL, claimed_until = NULL, attempts = 0, reason = NULL,
          status = CASE WHEN change > ${saga.change} THEN 'pending' WHEN ${isGone} THEN 'gone' ELSE 'active' END,
          urgent = urgent AND change > ${saga.change},
          pending_since = CASE WHEN change > ${saga.change} THEN pending_since END,
          due_at = CASE WHEN change > ${saga.change} THEN due_at ELSE ${nextAt ?? null}::timestamptz END
        WHERE ${mine(saga)}`);
      await db.$executeRaw(sql`
        DELETE FROM aws_steps p USING aws_steps c WHERE p.saga_id = ${saga.id}::uuid AND c.saga_id = p.saga_id AND c.reached = 'deleted'
          AND c.step LIKE 'certificate:%' AND split_part(p.step, ':', 2) = split_part(c.step, ':', 2)`);
    },

    /** Ends a claim for now. A saga that changed meanwhile is due at once. */
    async defer(saga: ClaimedSaga, dueAt: Date, reason: string | null): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE aws_sagas SET claimed_by = NULL, claimed_until = NULL, attempts = attempts + 1, reason = ${reason},
          due_at = CASE WHEN change > ${saga.change} THEN due_at ELSE ${dueAt} END
        WHERE ${mine(saga)}`);
    },

    /** Ends a claim with a failure that does not pass by itself; with `dueAt` it is tried again then. */
    async fail(saga: ClaimedSaga, reason: string, dueAt: Date | undefined): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE aws_sagas SET claimed_by = NULL, claimed_until = NULL, attempts = attempts + 1, reason = ${reason},
          status = CASE WHEN change > ${saga.change} THEN 'pending' ELSE 'failed' END,
          due_at = CASE WHEN change > ${saga.change} THEN due_at ELSE ${dueAt ?? null}::timestamptz END
        WHERE ${mine(saga)}`);
    },

    /** Does what was done again: AWS says that something of it is missing. */
    async doubt(saga: ClaimedSaga, policies: string[]): Promise<void> {
      await db.$executeRaw(sql`
        UPDATE aws_steps SET reached = NULL WHERE saga_id = ${saga.id}::uuid
          AND (step = 'thing' OR step LIKE 'certificate:%') AND reached IS DISTINCT FROM 'deleted'`);
      await db.$executeRaw(sql`
        WITH doubted AS (SELECT id FROM aws_sagas WHERE account_name = ${saga.account} AND policy = ANY(${policies}) AND due_at IS NULL
          ORDER BY id FOR UPDATE SKIP LOCKED),
        s AS (UPDATE aws_steps SET reached = NULL FROM doubted WHERE saga_id = doubted.id)
        UPDATE aws_sagas SET change = change + 1, status = 'pending', due_at = '1970-01-01Z' FROM doubted
        WHERE aws_sagas.id = doubted.id AND status <> 'failed'`);
    },

    /** Why one of these policies of an account is not in AWS at all, when that has failed for good. */
    async failedPolicy(account: string, policies: string[]): Promise<string | undefined> {
      const isThere = { steps: { some: { reached: { not: null } } } };
      const row = await db.awsSaga.findFirst({
        where: { accountName: account, policy: { in: policies }, status: 'failed', NOT: isThere },
      });
      return row ? `the policy ${row.policy} is not in AWS: ${row.reason}` : undefined;
    },

    /** Makes sagas due again that failed: one thing, one policy, or all of an account. Returns how many. */
    retry: (tx: Transaction, account: string, only: { thingId?: string; policy?: string } = {}): Promise<number> =>
      tx.$executeRaw(sql`
        UPDATE aws_sagas SET status = 'pending', due_at = '1970-01-01Z', attempts = 0, pending_since = COALESCE(pending_since, now())
        WHERE id IN (SELECT id FROM aws_sagas WHERE account_name = ${account} AND (status = 'failed' OR attempts > 0)
          AND (${only.thingId ?? null}::uuid IS NULL OR thing_id = ${only.thingId ?? null}::uuid)
          AND (${only.policy ?? null}::text IS NULL OR policy = ${only.policy ?? null}) ORDER BY id FOR UPDATE SKIP LOCKED)`),

    /** How many sagas are in which state, and since when the oldest waits. */
    async queue(account?: string): Promise<{ pending: number; failed: number; oldest: Date | null }> {
      const [row] = await db.$queryRaw<[{ pending: number; failed: number; oldest: Date | null }]>(sql`
        SELECT (count(*) FILTER (WHERE s.status IN ('pending', 'drifted')))::int AS pending, (count(*) FILTER (WHERE s.status = 'failed'))::int AS failed,
          min(s.pending_since) FILTER (WHERE s.status IN ('pending', 'drifted')) AS oldest
        FROM aws_sagas s JOIN aws_mirrors m ON m.account_name = s.account_name AND m.mode <> 'off'
        WHERE s.status IN ('pending', 'drifted', 'failed') AND (${account ?? null}::text IS NULL OR s.account_name = ${account ?? null})`);
      return row;
    },
  };
}
