import type { z } from 'zod';
import { rfc3339 } from '../clock.js';
import type * as schema from './schema.js';
import type { CampaignService } from './service.js';

type Campaign = Awaited<ReturnType<CampaignService['get']>>;
type Counts = z.output<typeof schema.campaign>['counts'];

/** A campaign and its progress, for answers. */
export function presentCampaign(campaign: Campaign): z.output<typeof schema.campaign> {
  const { id, status, act, query, shares, wave, things, waves, holder, createdBy } = campaign;
  return {
    id,
    status,
    ...(campaign.reason === null ? {} : { reason: campaign.reason }),
    ...(campaign.reasonCode === null ? {} : { reasonCode: campaign.reasonCode }),
    do: act,
    ...(campaign.group === null ? {} : { group: campaign.group }),
    query,
    ...(campaign.policies ? { policies: campaign.policies } : {}),
    ...(campaign.attributes ? { attributes: campaign.attributes } : {}),
    pauseOver: { failures: `${campaign.mostFailures} %` },
    waveSeconds: campaign.waveSeconds,
    ...(act === 'renew' ? { renewWithinSeconds: campaign.renewSeconds } : {}),
    wave,
    things,
    counts: waves.map(countsOf).reduce(add),
    waves: waves.map((each, n) => ({ upTo: shares[n]!, things: each.last - each.first + 1, ...countsOf(each) })),
    createdAt: rfc3339(campaign.createdAt),
    createdBy,
    actsFor: holder,
    ...(campaign.finishedAt ? { finishedAt: rfc3339(campaign.finishedAt) } : {}),
  };
}

const countsOf = ({ waiting, asked, done, failed, skipped }: Counts): Counts => ({
  waiting,
  asked,
  done,
  failed,
  skipped,
});

const add = (a: Counts, b: Counts): Counts => ({
  waiting: a.waiting + b.waiting,
  asked: a.asked + b.asked,
  done: a.done + b.done,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

type Member = Awaited<ReturnType<CampaignService['things']>>[number];

/** A thing of a campaign, for answers. */
export function presentMember({ thingName, wave, state, askedAt, reason }: Member) {
  return {
    thingName,
    wave,
    state,
    ...(askedAt === null ? {} : { askedAt: rfc3339(askedAt) }),
    ...(reason === null ? {} : { reason }),
  };
}
