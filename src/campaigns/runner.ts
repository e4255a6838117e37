import { setTimeout as pause } from 'node:timers/promises';
import type { Permission } from '../access/permissions.js';
import type { AppendAudit } from '../audit/store.js';
import { addSeconds, type Clock } from '../clock.js';
import type { Json, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { AppendLog } from '../log/append.js';
import { systemOrigin } from '../origin.js';
import { needsOf } from './acts.js';
import type { Doer } from './doer.js';
import type { MemberStore } from './member-store.js';
import type { CampaignChange, CampaignStore, StoredCampaign, WaveCounts } from './store.js';
import { isOver } from './waves.js';

/** What somebody may do now; or why they may do nothing. */
export type Rights = { permissions: ReadonlySet<Permission> } | { gone: string };

type Deps = {
  store: CampaignStore;
  members: MemberStore;
  doer: Doer;
  /** What whoever the audit names so may do, unchanged until the transaction ends. */
  rightsOf(tx: Transaction, account: string, actor: string, at: Date): Promise<Rights>;
  audit: AppendAudit;
  log: AppendLog;
  clock: Clock;
  onError(error: unknown): void;
};

const mostAtOnce = 200;
const slicesOfTurn = 20;
const settledOfSlice = 2000;
const betweenSlicesMs = 5;

type Step = 'again' | 'rest';

export type Runner = ReturnType<typeof createRunner>;

/**
 * Carries campaigns on, a slice at a time. A slice is one transaction: what is done to its things, who they are, the counts
 * and the place to continue from are written together or not at all. So a crash does nothing twice and leaves nothing out.
 */
export function createRunner({ store, members, doer, rightsOf, audit, log, clock, onError }: Deps) {
  let isClosing = false;

  const pauseIt = async (tx: Transaction, campaign: StoredCampaign, reasonCode: string, reason: string) => {
    await change(tx, campaign, 'pause', { status: 'paused', reasonCode, reason });
    return 'rest' as const;
  };

  const change = async (tx: Transaction, campaign: StoredCampaign, action: string, to: CampaignChange) => {
    const { id, account, changes, wave } = campaign;
    const { status, reasonCode, reason } = to;
    await store.change(tx, id, status === undefined ? to : { ...to, changes: changes + 1 });
    const detail: Json = { wave: to.wave ?? wave, ...(reasonCode ? { reasonCode, reason: reason! } : {}) };
    const entry = { at: clock(), account, origin: systemOrigin, target: `campaign:${id}`, detail };
    await audit(tx, { ...entry, action: `campaign.${action}` });
  };

  /** Whoever it acts for may have lost what it takes. Undefined while they have it. */
  const lackOf = async (tx: Transaction, campaign: StoredCampaign, at: Date): Promise<string | undefined> => {
    const rights = await rightsOf(tx, campaign.account, campaign.holder, at);
    if ('gone' in rights) return rights.gone;
    const lacking = needsOf(campaign).filter((permission) => !rights.permissions.has(permission));
    return lacking.length > 0 ? `${campaign.holder} lacks ${lacking.join(' and ')}` : undefined;
  };

  const endWave = async (tx: Transaction, campaign: StoredCampaign, at: Date): Promise<Step> => {
    const { wave, waves, waveSince, waveSeconds } = campaign;
    if (wave === waves.length) {
      await change(tx, campaign, 'finish', { status: 'done', finishedAt: at });
      return 'rest';
    }
    const isEmpty = waves[wave - 1]!.last < waves[wave - 1]!.first;
    if (!isEmpty && at < addSeconds(waveSince, waveSeconds)) return 'rest';
    await change(tx, campaign, 'next-wave', { wave: wave + 1, excused: 0, waveSince: at });
    return 'again';
  };

  const settleAsked = async (
    tx: Transaction,
    campaign: StoredCampaign,
    at: Date,
  ): Promise<Partial<WaveCounts> | undefined> => {
    if (campaign.act !== 'renew') return undefined;
    const settled = await members.settleAsked(tx, campaign.id, addSeconds(at, -campaign.renewSeconds), settledOfSlice);
    if (settled.length === 0) return undefined;
    const to = { done: 0, failed: 0, skipped: 0 };
    for (const { state } of settled) to[state as 'done']++;
    await members.tally(tx, campaign.id, campaign.wave, 'asked', to);
    return to;
  };

  const isTooMuch = (campaign: StoredCampaign, wave: WaveCounts, failed = 0): boolean =>
    isOver(wave.failed + failed, campaign.excused, wave, campaign.mostFailures);

  const tooManyFailed = (wave: WaveCounts, failed: number): string =>
    `${failed} of the ${wave.last - wave.first + 1} things of wave ${wave.wave} failed: look at them (state=failed), then resume or cancel`;

  const step = async (tx: Transaction, campaign: StoredCampaign): Promise<Step> => {
    const at = clock();
    const lack = await lackOf(tx, campaign, at);
    if (lack) return pauseIt(tx, campaign, 'forbidden', `${lack}: somebody who may do this can resume it`);
    const wave = campaign.waves[campaign.wave - 1]!;
    const settled = await settleAsked(tx, campaign, at);
    const failed = settled?.failed ?? 0;
    if (isTooMuch(campaign, wave, failed))
      return pauseIt(tx, campaign, 'failures', tooManyFailed(wave, wave.failed + failed));
    if (settled) return 'again';
    if (wave.waiting > 0) return takeNext(tx, campaign, wave, at);
    return wave.asked > 0 ? 'rest' : endWave(tx, campaign, at);
  };

  const takeNext = async (tx: Transaction, campaign: StoredCampaign, wave: WaveCounts, at: Date): Promise<Step> => {
    const { to, entries, next } = await doer.takeNext(tx, campaign, wave, at);
    await members.tally(tx, campaign.id, wave.wave, 'waiting', to);
    await store.change(tx, campaign.id, { next });
    const failed = to.failed ?? 0;
    const isPaused = isTooMuch(campaign, wave, failed);
    if (isPaused) await pauseIt(tx, campaign, 'failures', tooManyFailed(wave, wave.failed + failed));
    if (entries.length > 0) await log(tx, at, entries);
    return isPaused ? 'rest' : 'again';
  };

  /** One slice. What it cannot do, such as attach a policy that was deleted, pauses the campaign. */
  const slice = async (id: string): Promise<Step> => {
    try {
      return await store.transaction(async (tx) => {
        const campaign = await store.claim(tx, id);
        return campaign ? step(tx, campaign) : 'rest';
      });
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      // It is committed, and another instance reads it a little later.
      if (error.code === 'not-settled') return 'again';
      return store.transaction(async (tx) => {
        const campaign = await store.claim(tx, id);
        return campaign ? pauseIt(tx, campaign, error.code, error.message) : 'rest';
      });
    }
  };

  /** Some slices of one campaign: then it is the turn of the next. */
  const turn = async (id: string): Promise<Step> => {
    for (let n = 0; n < slicesOfTurn && !isClosing; n++) {
      if ((await slice(id)) === 'rest') return 'rest';
      // The pause lets those who wait for the same locks, or for an embedded database, go first.
      await pause(betweenSlicesMs);
    }
    return 'again';
  };

  /** Turns of some campaigns, until none of them has anything left to do now. */
  const inTurn = async (campaigns: string[]): Promise<void> => {
    let busy = campaigns;
    while (busy.length > 0 && !isClosing) {
      const left: string[] = [];
      for (const id of busy) if ((await turnOf(id)) === 'again') left.push(id);
      busy = left;
    }
  };

  const turnOf = (id: string): Promise<Step> =>
    turn(id).catch((error: unknown) => {
      onError(error);
      return 'rest';
    });

  return {
    /** Does what can be done now, of every campaign in turn. A failure of one is not that of another. */
    async run(): Promise<void> {
      let last: string | undefined;
      do {
        const some = await store.running(last, mostAtOnce);
        await inTurn(some);
        last = some.length < mostAtOnce ? undefined : some.at(-1);
      } while (last !== undefined && !isClosing);
    },

    /** Begins no further slice here: another instance, or the next start, does. */
    close: async (): Promise<void> => void (isClosing = true),
  };
}
