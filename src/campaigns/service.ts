import { randomUUID } from 'node:crypto';
import { requirePermissions, type Grantee } from '../access/grantee.js';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Json, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import { storedOrigin, type Origin } from '../origin.js';
import { readQuery } from '../thing-query/read-query.js';
import type { AnyQuery } from '../thing-query/shapes.js';
import { needsOf } from './acts.js';
import type { MemberStore, Wanted } from './member-store.js';
import type { MemberState, NewCampaign } from './schema.js';
import type { CampaignChange, CampaignStore, StoredCampaign } from './store.js';
import { rangesOf, shareOf } from './waves.js';

type Deps = {
  store: CampaignStore;
  members: MemberStore;
  /** @throws DomainError `unknown-group` */
  queryOfGroup(account: string, name: string): Promise<AnyQuery>;
  /** @throws DomainError `unknown-policy` unless there are all of them, which then stay until the transaction ends */
  holdPolicies(tx: Transaction, account: string, names: string[]): Promise<void>;
  audit: AppendAudit;
  clock: Clock;
};

/** The most things of one campaign. */
export const mostThings = 1_000_000;
const sampled = 10;

export type CampaignService = ReturnType<typeof createCampaignService>;

/** Campaigns: acts on many things, in waves that pause by themselves. */
export function createCampaignService({ store, members, queryOfGroup, holdPolicies, audit, clock }: Deps) {
  const found = (campaign: StoredCampaign | undefined, id: string): StoredCampaign => {
    if (!campaign) throw new DomainError('not-found', `there is no campaign ${id}: GET /v1/campaigns`);
    return campaign;
  };
  const get = async (account: string, id: string): Promise<StoredCampaign> => found(await store.find(account, id), id);

  const queryOf = async (account: string, { group, query }: NewCampaign): Promise<AnyQuery> =>
    group === undefined ? query! : queryOfGroup(account, group);

  /** What a device says of itself must not give it rights. Taking a policy away gives some if it denies something. */
  const widens = async (
    tx: Transaction,
    account: string,
    { do: act, policies = [] }: NewCampaign,
  ): Promise<boolean> => {
    if (act === 'detach') return store.denies(tx, account, policies);
    return act === 'attach' || act === 'set-attributes';
  };

  const wantedOf = async (tx: Transaction, account: string, request: NewCampaign, query: AnyQuery): Promise<Wanted> => {
    if (request.policies) await holdPolicies(tx, account, request.policies);
    return { account, query: readQuery(query), now: clock(), trusted: await widens(tx, account, request) };
  };

  const requireCount = (things: number, expected: number | undefined): void => {
    if (things > mostThings)
      throw new DomainError(
        'invalid-request',
        `a campaign has at most ${mostThings} things, and this would have ${things}`,
      );
    if (expected !== undefined && things !== expected)
      throw new DomainError('count-changed', `it would take ${things} things now: check them with dryRun`, {
        count: things,
      });
  };

  const record = (tx: Transaction, { account, id }: StoredCampaign, origin: Origin, action: string, detail: Json) =>
    audit(tx, { at: clock(), account, origin, action: `campaign.${action}`, target: `campaign:${id}`, detail });

  /** Changes the status of one that is not over. */
  const turn = (
    account: string,
    id: string,
    origin: Origin,
    action: string,
    edit: (tx: Transaction, campaign: StoredCampaign) => Promise<CampaignChange | undefined>,
  ): Promise<StoredCampaign> =>
    store
      .transaction(async (tx) => {
        const campaign = found(await store.lock(tx, account, id), id);
        if (campaign.finishedAt) throw new DomainError('conflict', `the campaign ${id} is over: begin another one`);
        const change = await edit(tx, campaign);
        if (!change) return;
        await store.change(tx, id, { ...change, changes: campaign.changes + 1 });
        await record(tx, campaign, origin, action, { wave: campaign.wave });
      })
      .then(() => get(account, id));

  return {
    get,
    list: store.list,

    /** What a campaign would do. @throws DomainError `unknown-group`, `unknown-policy`, `invalid-request`, `forbidden` */
    async preview(caller: Grantee, request: NewCampaign) {
      const { account } = caller;
      requirePermissions(caller, needsOf({ act: request.do }), request.do);
      const query = await queryOf(account, request);
      return store.transaction(async (tx) => {
        const wanted = await wantedOf(tx, account, request, query);
        const things = await members.count(tx, wanted);
        const all = wanted.trusted ? await members.count(tx, { ...wanted, trusted: false }) : things;
        const waves = rangesOf(things, request.waves).map(({ first, last }) => last - first + 1);
        return { things, leftOut: Math.max(0, all - things), waves, sample: await members.sample(tx, wanted, sampled) };
      });
    },

    /** Begins a campaign over the things that it finds now. @throws DomainError `count-changed`, `too-many-requests`, and those of a preview */
    async create(caller: Grantee, request: NewCampaign, origin: Origin): Promise<StoredCampaign> {
      const { account } = caller;
      requirePermissions(caller, needsOf({ act: request.do }), request.do);
      const query = await queryOf(account, request);
      const id = randomUUID();
      await store.transaction(async (tx) => {
        const most = mostOfAccount.openCampaigns;
        if ((await store.countOpen(tx, account)) >= most)
          throw tooMany('campaigns that are not over', most, 'wait for one, or cancel it');
        const wanted = await wantedOf(tx, account, request, query);
        const campaign = newCampaign(caller, request, { id, query, at: wanted.now, origin });
        const things = await members.count(tx, wanted);
        requireCount(things, request.expectedCount);
        await store.insert(tx, withThings(campaign, things));
        // Found again, a moment later: whoever came or went in between is counted too.
        const fixed = await members.fix(tx, id, wanted);
        if (fixed !== things)
          throw new DomainError('count-changed', 'things came or went meanwhile: try again', { count: fixed });
        const { do: act, group, policies, attributes, waves } = request;
        await record(
          tx,
          campaign,
          origin,
          'create',
          withoutUndefined({ do: act, group, query, policies, attributes, waves, things }),
        );
      });
      return get(account, id);
    },

    /** @throws DomainError `not-found`, `conflict` for one that is over */
    pause: (account: string, id: string, origin: Origin): Promise<StoredCampaign> =>
      turn(account, id, origin, 'pause', async (_tx, { status }) =>
        status === 'paused'
          ? undefined
          : { status: 'paused', reasonCode: 'asked', reason: `${origin.actor} paused it` },
      ),

    /**
     * Goes on, by the permissions of whoever resumes it. Failures of the present wave so far are not counted again, and
     * devices that were asked have their whole time again. @throws DomainError `not-found`, `conflict`, `forbidden`
     */
    resume: ({ account, ...caller }: Grantee, id: string, origin: Origin): Promise<StoredCampaign> =>
      turn(account, id, origin, 'resume', async (tx, campaign) => {
        requirePermissions({ account, ...caller }, needsOf(campaign), campaign.act);
        if (campaign.status !== 'paused') return undefined;
        if (campaign.act === 'renew') await members.askAgain(tx, id, clock());
        return {
          status: 'running',
          reasonCode: null,
          reason: null,
          excused: campaign.waves[campaign.wave - 1]!.failed,
          holder: caller.actor,
          origin: storedOrigin(origin),
        };
      }),

    /** Ends it where it is: what is done stays. @throws DomainError `not-found`, `conflict` */
    cancel: (account: string, id: string, origin: Origin): Promise<StoredCampaign> =>
      turn(account, id, origin, 'cancel', async () => ({ status: 'cancelled', finishedAt: clock() })),

    /** The things of a campaign, in the order of its waves. @throws DomainError `not-found` */
    async things(account: string, id: string, state: MemberState | undefined, after: number, limit: number) {
      const { waves } = await get(account, id);
      const rows = await members.list(id, state, after, limit);
      return rows.map((row) => ({ ...row, wave: waves.findIndex(({ last }) => row.ordinal <= last) + 1 }));
    },

    /** Since when a device is asked to renew. */
    askedAt: members.askedAt,
    noteRefused: members.noteRefused,
    isOverGroup: store.isOverGroup,
  };
}

type Made = { id: string; query: AnyQuery; at: Date; origin: Origin };

function newCampaign(caller: Grantee, request: NewCampaign, { id, query, at, origin }: Made): StoredCampaign {
  const { do: act, policies, attributes, group, waves, pauseOver, waveSeconds, renewWithinSeconds } = request;
  return {
    id,
    account: caller.account,
    act,
    policies: policies && [...new Set(policies)],
    attributes,
    group: group ?? null,
    query,
    shares: waves,
    mostFailures: shareOf(pauseOver.failures),
    waveSeconds,
    renewSeconds: renewWithinSeconds,
    status: 'running',
    reasonCode: null,
    reason: null,
    holder: caller.actor,
    origin: storedOrigin(origin),
    things: 0,
    wave: 1,
    next: 1,
    excused: 0,
    changes: 0,
    waveSince: at,
    createdAt: at,
    createdBy: origin.actor,
    finishedAt: null,
    waves: [],
  };
}

/** Without any things there is nothing to wait for: it is done. */
function withThings(campaign: StoredCampaign, things: number): StoredCampaign {
  const waves = rangesOf(things, campaign.shares).map((range) => ({
    ...range,
    waiting: range.last - range.first + 1,
    asked: 0,
    done: 0,
    failed: 0,
    skipped: 0,
  }));
  const over = things === 0 ? { status: 'done' as const, finishedAt: campaign.createdAt } : {};
  return { ...campaign, things, waves, ...over };
}

const withoutUndefined = (detail: object): Json =>
  Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined));
