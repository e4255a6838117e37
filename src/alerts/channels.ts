import { randomUUID } from 'node:crypto';
import type { Grantee } from '../access/grantee.js';
import { etagOf, requireMatch } from '../api/etag.js';
import type { Span } from '../api/paging.js';
import type { AppendAudit } from '../audit/store.js';
import { rfc3339, type Clock } from '../clock.js';
import type { Commit, Transaction } from '../db/client.js';
import type { Deliveries } from '../deliveries/verbs.js';
import type { Outcome, Receiver } from '../deliveries/receiver.js';
import { createSecret } from '../outbound/standard-webhooks.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { Origin } from '../origin.js';
import type { ChannelPatch, NewChannel } from './schema.js';

type Deps = {
  deliveries: Pick<Deliveries, 'receivers' | 'seal' | 'send'>;
  /** Takes a channel out of every rule. */
  dropChannel(tx: Transaction, account: string, id: string): Promise<void>;
  /** Whether the operator has set a mail server. */
  sendsMail: boolean;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
};

export type Channels = ReturnType<typeof createChannels>;

const kinds = ['webhook', 'slack', 'email'] as const;

/** The ETag of a channel. */
export const channelTag = ({ name, url, recipients, enabled, secretSealed }: Receiver): string =>
  etagOf('alert-channel', name, url, recipients, enabled, secretSealed?.toString('base64'));

/** Where alerts are told. */
export function createChannels({ deliveries, dropChannel, sendsMail, commit, clock, audit }: Deps) {
  const { receivers, seal, send } = deliveries;

  const get = async (account: string, id: string, tx?: Transaction): Promise<Receiver> => {
    const channel = await receivers.find(tx, account, id, kinds);
    if (!channel) throw new DomainError('not-found', `there is no channel ${id}: GET /v1/alerts/channels`);
    return channel;
  };

  const record = (tx: Transaction, account: string, origin: Origin, action: string, channel: Receiver) => {
    const { id, name, kind, recipients, enabled } = channel;
    const detail = {
      name,
      type: kind,
      ...(kind === 'email' ? { to: recipients } : { url: shownUrl(channel) }),
      enabled,
    };
    return audit(tx, {
      at: clock(),
      account,
      origin,
      action: `alert-channel.${action}`,
      target: `alert-channel:${id}`,
      detail,
    });
  };

  return {
    get: (account: string, id: string) => get(account, id),
    list: (account: string, span: Span): Promise<Receiver[]> => receivers.list(account, kinds, span),
    has: async (tx: Transaction, account: string, id: string): Promise<boolean> =>
      (await receivers.find(tx, account, id, kinds)) !== undefined,

    /** Returns the channel, and the secret of a webhook. @throws DomainError `conflict`, `invalid-request`, `too-many-requests` */
    async create({ account }: Grantee, request: NewChannel, origin: Origin) {
      const { type: kind, name, url = null, to = [], enabled } = request;
      if (kind === 'email' && !sendsMail)
        throw new DomainError(
          'conflict',
          'the operator has set no mail server: THINGWARD_SMTP_URL and THINGWARD_SMTP_FROM',
        );
      const secret = kind === 'webhook' ? (request.secret ?? createSecret()) : undefined;
      const id = randomUUID();
      const channel: Receiver = {
        id,
        account,
        kind,
        name,
        url,
        recipients: to,
        types: [],
        secretSealed: secret === undefined ? null : seal(id, secret),
        enabled,
        createdAt: clock(),
        createdBy: origin.actor,
        fullSince: null,
      };
      await commit(async (tx) => {
        const most = mostOfAccount.alertChannels;
        if ((await receivers.count(tx, account, kinds, most)) >= most)
          throw tooMany('channels', most, 'delete one that nobody listens to');
        if (!(await receivers.insert(tx, channel))) throw nameTaken(name);
        await record(tx, account, origin, 'create', channel);
      });
      return { channel, secret };
    },

    /** @throws DomainError `not-found`, `conflict`, `invalid-request` for a member of another type, `precondition-failed` */
    async update({ account }: Grantee, id: string, patch: ChannelPatch, origin: Origin): Promise<Receiver> {
      return commit(async (tx) => {
        const before = await get(account, id, tx);
        requireMatch(origin, channelTag(before));
        requireOfType(before, patch);
        const {
          name = before.name,
          url = before.url,
          to = before.recipients,
          enabled = before.enabled,
          secret,
        } = patch;
        const secretSealed = secret === undefined ? before.secretSealed : seal(id, secret);
        const after = { ...before, name, url, recipients: to, enabled, secretSealed };
        if (!(await receivers.update(tx, after))) throw nameTaken(name);
        await record(tx, account, origin, 'update', after);
        return after;
      });
    },

    /** Deletes a channel, and takes it out of every rule. @throws DomainError `not-found`, `precondition-failed` */
    async delete({ account }: Grantee, id: string, origin: Origin): Promise<void> {
      await commit(async (tx) => {
        const channel = await get(account, id, tx);
        requireMatch(origin, channelTag(channel));
        await dropChannel(tx, account, id);
        await receivers.delete(tx, account, id);
        await record(tx, account, origin, 'delete', channel);
      });
    },

    /** Tells a channel something now, and returns what it answered. @throws DomainError `not-found` */
    async test({ account }: Grantee, id: string, origin: Origin): Promise<Outcome> {
      const channel = await get(account, id);
      await commit((tx) => record(tx, account, origin, 'test', channel));
      const at = clock();
      const said = `This is a test of the channel ${channel.name}. No alert is behind it.`;
      const data = { account, rule: 'A test', severity: 'info', status: 'test', text: said, startedAt: rfc3339(at) };
      return send(channel, {
        messageId: `test-${randomUUID()}`,
        type: 'alert.test',
        subject: `alert-channel:${id}`,
        data,
        at,
      });
    },
  };
}

/** The URL of a channel as it may be shown. That of Slack is a secret: whoever knows it can write there. */
export function shownUrl({ kind, url }: Receiver): string | undefined {
  if (url === null) return undefined;
  return kind === 'slack' ? `${new URL(url).origin}/…` : url;
}

function requireOfType({ kind }: Receiver, { url, to, secret }: ChannelPatch): void {
  const strange = kind === 'email' ? (url ?? secret) : (to ?? (kind === 'slack' ? secret : undefined));
  if (strange === undefined) return;
  throw new DomainError('invalid-request', `a channel of the type ${kind} has no such member: see its type`);
}

const nameTaken = (name: string): DomainError =>
  new DomainError('conflict', `there is a channel called ${name}: choose another name`);
