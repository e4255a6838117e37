import { randomUUID } from 'node:crypto';
import { requirePermissions, type Grantee } from '../access/grantee.js';
import { etagOf, requireMatch } from '../api/etag.js';
import type { Span } from '../api/paging.js';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Origin } from '../origin.js';
import type { EvaluationStore } from './evaluation-store.js';
import type { AlertFilter, NewRule, RulePatch } from './schema.js';
import type { AlertStore, StoredAlert, StoredRule } from './store.js';

type Deps = {
  store: AlertStore;
  evaluation: Pick<EvaluationStore, 'resolveOf'>;
  /** Whether an account has a channel. */
  hasChannel(tx: Transaction, account: string, id: string): Promise<boolean>;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
};

export type AlertService = ReturnType<typeof createAlertService>;

/** The ETag of a rule. */
export const ruleTag = ({ createdAt: _, createdBy: __, ...rule }: StoredRule): string => etagOf('alert-rule', rule);

/** Alert rules, and the alerts that came of them. Whoever makes a rule may read what it watches. */
export function createAlertService({ store, evaluation, hasChannel, commit, clock, audit }: Deps) {
  const getRule = async (account: string, id: string, tx?: Transaction): Promise<StoredRule> => {
    const rule = await store.findRule(account, id, tx);
    if (!rule) throw new DomainError('not-found', `there is no alert rule ${id}: GET /v1/alerts/rules`);
    return rule;
  };

  const getAlert = async (account: string, id: string): Promise<StoredAlert> => {
    const alert = await store.findAlert(account, id);
    if (!alert) throw new DomainError('not-found', `there is no alert ${id}: GET /v1/alerts`);
    return alert;
  };

  const requireChannels = async (tx: Transaction, account: string, channels: string[]): Promise<void> => {
    for (const id of channels)
      if (!(await hasChannel(tx, account, id)))
        throw new DomainError('invalid-request', `channels: there is no channel ${id}: GET /v1/alerts/channels`);
  };

  const record = (tx: Transaction, account: string, origin: Origin, action: string, id: string, detail: object) =>
    audit(tx, { at: clock(), account, origin, action, target: `alert-rule:${id}`, detail: { ...detail } });

  return {
    getRule: (account: string, id: string) => getRule(account, id),
    listRules: (account: string, span: Span) => store.listRules(account, span),
    getAlert,
    listAlerts: store.listAlerts,

    /** @throws DomainError `forbidden`, `conflict` for a name that is taken, `invalid-request`, `too-many-requests` */
    async createRule(caller: Grantee, request: NewRule, origin: Origin): Promise<StoredRule> {
      requirePermissions(caller, ['metrics:read'], 'a rule');
      const { account } = caller;
      const channels = [...new Set(request.channels)];
      const made = { id: randomUUID(), account, builtIn: null, createdAt: clock(), createdBy: origin.actor };
      const rule: StoredRule = { ...request, channels, ...made };
      await commit(async (tx) => {
        const most = mostOfAccount.alertRules;
        if ((await store.countRules(tx, account, most)) >= most)
          throw tooMany('alert rules', most, 'delete one that nobody needs');
        await requireChannels(tx, account, channels);
        if (!(await store.insertRule(tx, rule))) throw nameTaken(rule.name);
        await record(tx, account, origin, 'alert-rule.create', rule.id, { ...request, channels });
      });
      return rule;
    },

    /** Changes a rule; it is judged again. @throws DomainError `not-found`, `forbidden`, `conflict`, `invalid-request`, `precondition-failed` */
    async updateRule(caller: Grantee, id: string, patch: RulePatch, origin: Origin): Promise<StoredRule> {
      requirePermissions(caller, ['metrics:read'], 'a rule');
      const { account } = caller;
      return commit(async (tx) => {
        const before = await getRule(account, id, tx);
        requireMatch(origin, ruleTag(before));
        const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
        const after: StoredRule = { ...before, ...given };
        after.channels = [...new Set(after.channels)];
        if (patch.channels !== undefined) await requireChannels(tx, account, after.channels);
        if (!(await store.updateRule(tx, after))) throw nameTaken(after.name);
        if (!after.enabled || after.metric !== before.metric) await evaluation.resolveOf(tx, before, clock());
        await record(tx, account, origin, 'alert-rule.update', id, given);
        return after;
      });
    },

    /** @throws DomainError `not-found`, `conflict` for a built-in rule, `precondition-failed` */
    async deleteRule({ account }: Grantee, id: string, origin: Origin): Promise<void> {
      await commit(async (tx) => {
        const rule = await getRule(account, id, tx);
        requireMatch(origin, ruleTag(rule));
        if (rule.builtIn !== null)
          throw new DomainError('conflict', 'every account has this rule: switch it off by PATCH with enabled: false');
        await evaluation.resolveOf(tx, rule, clock());
        await store.deleteRule(tx, id);
        await record(tx, account, origin, 'alert-rule.delete', id, { name: rule.name });
      });
    },

    /** Notes that somebody sees to an alert; saying so again changes nothing. @throws DomainError `not-found`, `conflict` when it is resolved */
    async acknowledge({ account }: Grantee, id: string, origin: Origin): Promise<StoredAlert> {
      await commit(async (tx) => {
        const at = clock();
        if (!(await store.acknowledge(tx, account, id, at, origin.actor))) return;
        await audit(tx, { at, account, origin, action: 'alert.acknowledge', target: `alert:${id}`, detail: {} });
      });
      const alert = await getAlert(account, id);
      if (alert.status === 'resolved')
        throw new DomainError('conflict', 'this alert is resolved: nothing is left to do');
      return alert;
    },
  };
}

const nameTaken = (name: string): DomainError =>
  new DomainError('conflict', `there is an alert rule or channel called ${name}: choose another name`);

export type { AlertFilter };
