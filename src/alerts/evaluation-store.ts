import { randomUUID } from 'node:crypto';
import { addSeconds, rfc3339 } from '../clock.js';
import { sql, type Database, type Transaction } from '../db/client.js';
import { lastDone, takeDuty, type Duty } from '../db/duties.js';
import type { Deliveries } from '../deliveries/verbs.js';
import { figureNames, figureOf } from '../metrics/names.js';
import type { Condition, Judged } from './judge.js';

/** A rule with what is known of its figure and its alert. */
export type Watched = Judged & {
  id: string;
  account: string;
  name: string;
  metric: string;
  severity: string;
  channels: string[];
  /** The highest of the minutes that count, of a count. */
  most: number | null;
  /** As it was last read, of a gauge. */
  last: number | null;
  alert: string | null;
  status: string | null;
  notifiedAt: Date | null;
  notified: number | null;
};

/** Until when figures are read: the last minute that is written, and the minute that gauges were last read in. */
export type Moment = { at: Date; countsFrom: Date; gaugesAt: Date };

export type EvaluationStore = ReturnType<typeof createEvaluationStore>;

type Deps = { db: Database; deliveries: Pick<Deliveries, 'queue' | 'publish'> };
type AlertOf = { id: string; status: string; value: number; startedAt: Date; notified: number };

const keptSeconds = 30 * 86_400;
const keptOfAccount = 10_000;
const prunedAtOnce = 10_000;
const gauges = figureNames.filter((name) => figureOf(name).kind === 'gauge');

/** Reads rules with their figures, and writes what becomes of them. Every write asks whether another was first. */
export function createEvaluationStore({ db, deliveries }: Deps) {
  /** Tells the channels of a rule, and whoever wants such events; each notification has one id however often it is told. */
  const tell = async (tx: Transaction, rule: Watched, alert: AlertOf, at: Date): Promise<void> => {
    const { id, status, value, startedAt, notified } = alert;
    const type = status === 'resolved' ? 'alert.resolved' : 'alert.firing';
    const { account, name, metric, condition, threshold, severity, channels } = rule;
    const shown = { alert: id, rule: name, severity, status, metric, condition, threshold, value };
    const message = {
      messageId: `alert-${id}-${status === 'resolved' ? 'resolved' : notified}`,
      type,
      subject: `alert:${id}`,
      data: { account, ...shown, startedAt: rfc3339(startedAt) },
      at,
    };
    await deliveries.queue(tx, account, channels, message);
    await deliveries.publish(tx, account, message);
  };

  return {
    takeDuty: (duty: Duty, at: Date): Promise<boolean> => takeDuty(db, duty, at),
    gaugesReadAt: (): Promise<Date | undefined> => lastDone(db, 'figures'),

    /** Rules that are on, in the order of their ids. */
    rules: (after: string, { at, countsFrom, gaugesAt }: Moment, limit: number): Promise<Watched[]> =>
      db.$queryRaw<Watched[]>(sql`
        SELECT r.id, r.account_name AS account, r.name, r.metric, r.condition, r.threshold, r.for_seconds AS "forSeconds",
          r.cooldown_seconds AS "cooldownSeconds", r.severity, r.channels, r.met_since AS "metSince", f.most, f.last,
          a.id AS alert, a.status, a.notified_at AS "notifiedAt", a.notified
        FROM alert_rules r LEFT JOIN alerts a ON a.rule_id = r.id AND a.status <> 'resolved'
        LEFT JOIN LATERAL (
          SELECT max(value) FILTER (WHERE minute >= ${countsFrom}) AS most, max(value) FILTER (WHERE minute = ${gaugesAt}) AS last FROM figures f
          WHERE f.account_name = r.account_name AND f.name = r.metric AND f.label = '' AND f.minute >= least(${countsFrom}::timestamptz, ${gaugesAt}::timestamptz) AND f.minute <= ${at}) f ON true
        WHERE r.enabled AND r.id > ${after}::uuid ORDER BY r.id LIMIT ${limit}`),

    /** Notes since when a condition is met, or that it is not. */
    async met(id: string, since: Date | null): Promise<void> {
      await db.alertRule.updateMany({ where: { id }, data: { metSince: since } });
    },

    fire: (rule: Watched, value: number, at: Date): Promise<void> =>
      db.$transaction(async (tx) => {
        const { id: ruleId, account, name, metric, condition, threshold, severity } = rule;
        const [id, startedAt] = [randomUUID(), at];
        // Only as the rule was read: one that was changed or switched off meanwhile is judged again.
        const count = await tx.$executeRaw(sql`
          INSERT INTO alerts (id, account_name, rule_id, rule_name, metric, condition, threshold, severity, value, started_at, notified_at)
          SELECT ${id}::uuid, r.account_name, r.id, r.name, r.metric, r.condition, r.threshold, r.severity, ${value}, ${at}, ${at} FROM alert_rules r
          WHERE r.id = ${ruleId}::uuid AND r.account_name = ${account} AND r.enabled AND r.metric = ${metric} AND r.condition = ${condition} AND r.threshold = ${threshold}
          FOR UPDATE ON CONFLICT DO NOTHING`);
        if (count === 0) return;
        await tx.alertRule.update({ where: { id: ruleId }, data: { metSince: rule.metSince ?? at } });
        await tell(tx, { ...rule, name, severity }, { id, status: 'firing', value, startedAt, notified: 1 }, at);
      }),

    again: (rule: Watched, value: number, at: Date): Promise<void> =>
      db.$transaction(async (tx) => {
        const where = { id: rule.alert!, status: 'firing', notified: rule.notified! };
        const notified = rule.notified! + 1;
        const { count } = await tx.alert.updateMany({ where, data: { notified, notifiedAt: at, value } });
        if (count === 0) return;
        const { startedAt } = await tx.alert.findUniqueOrThrow({ where: { id: rule.alert! } });
        await tell(tx, rule, { id: rule.alert!, status: 'firing', value, startedAt, notified }, at);
      }),

    resolve: (rule: Watched, value: number, at: Date): Promise<void> =>
      db.$transaction((tx) => resolveIn(tx, rule, at, value)),

    /** Resolves the alert of a rule that is switched off or deleted, in the transaction that does it. */
    async resolveOf(tx: Transaction, rule: Pick<Watched, 'id' | 'account' | 'name' | 'channels'>, at: Date) {
      const open = await tx.alert.findFirst({ where: { ruleId: rule.id, status: { not: 'resolved' } } });
      if (!open) return;
      const { metric, threshold, severity, id: alert } = open;
      const condition = open.condition as Condition;
      await resolveIn(tx, { ...rule, metric, threshold, severity, condition, alert } as Watched, at);
    },

    /** Forgets alerts that were resolved long ago, and the oldest of too many. */
    async prune(at: Date): Promise<void> {
      await db.$executeRaw(sql`
        DELETE FROM alerts WHERE id IN (
          SELECT id FROM alerts WHERE status = 'resolved' AND resolved_at < ${addSeconds(at, -keptSeconds)} LIMIT ${prunedAtOnce})`);
      await db.$executeRaw(sql`
        DELETE FROM alerts WHERE status = 'resolved' AND id IN (
          SELECT o.id FROM accounts a CROSS JOIN LATERAL (
            SELECT id FROM alerts WHERE account_name = a.name ORDER BY started_at DESC, id DESC OFFSET ${keptOfAccount}) o LIMIT ${prunedAtOnce})`);
    },

    /** Whether a figure is a gauge. */
    isGauge: (metric: string): boolean => gauges.some((name) => name === metric),
  };

  async function resolveIn(tx: Transaction, rule: Watched, at: Date, value?: number): Promise<void> {
    const { count } = await tx.alert.updateMany({
      where: { id: rule.alert!, status: { not: 'resolved' } },
      data: { status: 'resolved', resolvedAt: at, ...(value === undefined ? {} : { value }) },
    });
    if (count === 0) return;
    await tx.alertRule.updateMany({ where: { id: rule.id }, data: { metSince: null } });
    const { startedAt, notified, value: last } = await tx.alert.findUniqueOrThrow({ where: { id: rule.alert! } });
    await tell(tx, rule, { id: rule.alert!, status: 'resolved', value: value ?? last, startedAt, notified }, at);
  }
}
