import { randomUUID } from 'node:crypto';
import { requirePermissions, type Grantee } from '../access/grantee.js';
import { etagOf, requireMatch } from '../api/etag.js';
import type { Span } from '../api/paging.js';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Transaction } from '../db/client.js';
import type { Deliveries } from '../deliveries/verbs.js';
import type { DeliveryStatus, Receiver } from '../deliveries/receiver.js';
import { createSecret } from '../outbound/standard-webhooks.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Origin } from '../origin.js';
import type { NewWebhook, WebhookPatch } from './schema.js';
import { needsOf } from './event-types.js';

type Deps = {
  deliveries: Pick<Deliveries, 'receivers' | 'seal'>;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
};

export type WebhookService = ReturnType<typeof createWebhookService>;

const kinds = ['events'] as const;

/** The ETag of a webhook: of what a caller can change. */
export const webhookTag = ({ url, types, name, enabled, secretSealed }: Receiver): string =>
  etagOf('webhook', url, types, name, enabled, secretSealed?.toString('base64'));

/** Where events of an account are told. Whoever sets up or changes a webhook may read what it tells, before and after. */
export function createWebhookService({ deliveries, commit, clock, audit }: Deps) {
  const { receivers, seal } = deliveries;

  const get = async (account: string, id: string, tx?: Transaction): Promise<Receiver> => {
    const webhook = await receivers.find(tx, account, id, kinds);
    if (!webhook) throw new DomainError('not-found', `there is no webhook ${id}: GET /v1/webhooks`);
    return webhook;
  };

  const record = (tx: Transaction, account: string, origin: Origin, action: string, id: string, detail: object) =>
    audit(tx, {
      at: clock(),
      account,
      origin,
      action: `webhook.${action}`,
      target: `webhook:${id}`,
      detail: { ...detail },
    });

  return {
    get: (account: string, id: string): Promise<Receiver> => get(account, id),
    list: (account: string, span: Span): Promise<Receiver[]> => receivers.list(account, kinds, span),

    /** @throws DomainError `forbidden`, `too-many-requests` */
    async create(caller: Grantee, request: NewWebhook, origin: Origin): Promise<{ webhook: Receiver; secret: string }> {
      const { account } = caller;
      const { url, description, enabled, secret = createSecret() } = request;
      const types = [...new Set<string>(request.types)];
      requirePermissions(caller, needsOf(types), 'a type of event');
      const id = randomUUID();
      const webhook: Receiver = {
        id,
        account,
        kind: 'events',
        name: description,
        url,
        recipients: [],
        types,
        secretSealed: seal(id, secret),
        enabled,
        createdAt: clock(),
        createdBy: origin.actor,
        fullSince: null,
      };
      await commit(async (tx) => {
        const most = mostOfAccount.webhooks;
        if ((await receivers.count(tx, account, kinds, most)) >= most)
          throw tooMany('webhooks', most, 'delete one that nobody listens to');
        await receivers.insert(tx, webhook);
        await record(tx, account, origin, 'create', id, { url, types, enabled });
      });
      return { webhook, secret };
    },

    /** Changes a webhook; what waits for it goes to where it is now. @throws DomainError `not-found`, `forbidden`, `precondition-failed` */
    async update(caller: Grantee, id: string, patch: WebhookPatch, origin: Origin): Promise<Receiver> {
      const { account } = caller;
      return commit(async (tx) => {
        const before = await get(account, id, tx);
        requireMatch(origin, webhookTag(before));
        const { url = before.url, description, secret, enabled = before.enabled } = patch;
        const types = [...new Set<string>(patch.types ?? before.types)];
        requirePermissions(caller, needsOf([...before.types, ...types]), 'a type of event');
        const secretSealed = secret === undefined ? before.secretSealed : seal(id, secret);
        const after = { ...before, url, types, enabled, secretSealed, name: description ?? before.name };
        await receivers.update(tx, after);
        const changed = { url, types, enabled, ...(secret === undefined ? {} : { secret: 'another' }) };
        await record(tx, account, origin, 'update', id, changed);
        return after;
      });
    },

    /** Deletes a webhook with everything that waits for it. @throws DomainError `not-found`, `forbidden`, `precondition-failed` */
    async delete(caller: Grantee, id: string, origin: Origin): Promise<void> {
      const { account } = caller;
      await commit(async (tx) => {
        const before = await get(account, id, tx);
        requireMatch(origin, webhookTag(before));
        requirePermissions(caller, needsOf(before.types), 'a type of event');
        await receivers.delete(tx, account, id);
        await record(tx, account, origin, 'delete', id, { url: before.url });
      });
    },

    /**
     * What became of the events of a webhook. They name what they are about: whoever reads them may read each of their types, of those
     * too that the webhook had before. @throws DomainError `not-found`, `forbidden`
     */
    async deliveries(
      caller: Grantee,
      id: string,
      status: DeliveryStatus | undefined,
      before: string | undefined,
      limit: number,
    ) {
      const { types } = await get(caller.account, id);
      const from = before === undefined ? undefined : BigInt(before);
      const found = await receivers.listDeliveries(id, status, from, limit);
      requirePermissions(caller, needsOf([...types, ...found.map(({ type }) => type)]), 'a type of event');
      return found;
    },

    /** Has an event told again, for another 24 hours. @throws DomainError `not-found`, `forbidden`, `conflict` for one that was delivered */
    async retry(caller: Grantee, id: string, delivery: string, origin: Origin) {
      const { account } = caller;
      const number = BigInt(delivery);
      await commit(async (tx) => {
        await get(account, id, tx);
        const found = await receivers.findDelivery(tx, id, number);
        if (!found) throw new DomainError('not-found', `there is no delivery ${delivery} of this webhook`);
        requirePermissions(caller, needsOf([found.type]), 'a type of event');
        if (!(await receivers.retry(tx, id, number, clock())))
          throw new DomainError('conflict', 'this event was delivered: nothing is left to try');
        await record(tx, account, origin, 'retry', id, { delivery, event: found.messageId });
      });
      return (await receivers.findDelivery(undefined, id, number))!;
    },
  };
}
