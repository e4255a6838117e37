import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery } from '../api/paging.js';
import {
  attributeName,
  attributeValue,
  groupName,
  mostInt,
  policyName,
  thingName,
  timestamp,
  uuid,
} from '../shapes.js';
import { anyQuery } from '../thing-query/shapes.js';

export const acts = ['renew', 'attach', 'detach', 'set-attributes'] as const;
export const states = ['waiting', 'asked', 'done', 'failed', 'skipped'] as const;
const statuses = ['running', 'paused', 'cancelled', 'done'] as const;

const act = z.enum(acts).describe('What is done to each thing');
const policies = z.array(policyName).min(1).max(20);
const attributes = z
  .record(attributeName, attributeValue.nullable())
  .refine((value) => Object.keys(value).length > 0, 'must have at least one member');
const wave = z.int().min(1).max(100);
const daySeconds = 86_400;

const share = z.union([
  z.number().min(0).max(100),
  z
    .string()
    .regex(/^\d{1,3}(\.\d{1,2})? ?%$/, 'must be a share such as "2 %"')
    .meta({ examples: ['2 %'] }),
]);
const pauseOver = named(
  'CampaignPause',
  'When a campaign pauses by itself',
  z.strictObject({
    failures: share.describe(
      'The share of the things of a wave that may fail: "2 %", or the number 2, which is the same. One more pauses',
    ),
  }),
);

export const newCampaign = named(
  'NewCampaign',
  'An act on many things, in waves',
  z
    .strictObject({
      group: groupName.optional(),
      query: anyQuery.optional().describe('Things that this is true of, instead of a group'),
      do: act,
      policies: policies.optional().describe('What to attach or detach'),
      attributes: attributes.optional().describe('With set-attributes: values by name; null takes one away'),
      waves: z
        .array(wave)
        .min(1)
        .max(20)
        .default([1, 10, 50, 100])
        .describe('Up to which share of the things each wave goes, in percent; the last is 100'),
      pauseOver: pauseOver.prefault({ failures: '2 %' }),
      waveSeconds: z
        .int()
        .min(0)
        .max(30 * daySeconds)
        .default(0)
        .describe('The least time between the beginnings of two waves'),
      renewWithinSeconds: z
        .int()
        .min(60)
        .max(90 * daySeconds)
        .default(daySeconds)
        .describe('With renew: a device that has not renewed so long after it was asked has failed'),
      dryRun: z.literal(true).optional().describe('Only say which things it would take'),
      expectedCount: z.int().min(0).max(mostInt).optional().describe('Refused if there are more or fewer things now'),
    })
    .refine(
      ({ group, query }) => (group === undefined) !== (query === undefined),
      'must have a group or a query, not both',
    )
    .refine(
      ({ do: what, policies: some }) => (some !== undefined) === (what === 'attach' || what === 'detach'),
      'must have policies with attach and detach, and only then',
    )
    .refine(
      ({ do: what, attributes: some }) => (some !== undefined) === (what === 'set-attributes'),
      'must have attributes with set-attributes, and only then',
    )
    .refine(
      ({ waves }) => waves.at(-1) === 100 && waves.every((each, n) => n === 0 || each > waves[n - 1]!),
      'waves must rise, and end with 100',
    ),
).meta({ examples: [{ query: 'type = pump', do: 'renew', waves: [1, 10, 50, 100], pauseOver: { failures: '2 %' } }] });

const counts = {
  waiting: z.int().describe('Things whose turn has not come'),
  asked: z.int().describe('Things that were asked to renew and have not yet'),
  done: z.int().describe('Things to which it is done, or that were so already'),
  failed: z.int().describe('Things for which it failed'),
  skipped: z
    .int()
    .describe('Things that were revoked or deleted meanwhile; those that are suspended renew nothing either'),
};
const campaignCounts = named('CampaignCounts', 'How many things are in each state', z.object(counts));
const campaignWave = named(
  'CampaignWave',
  'A wave of a campaign',
  z.object({
    upTo: z.int().describe('The share of all things, in percent, that are done with once it is over'),
    things: z.int().describe('How many things it has'),
    ...counts,
  }),
);

export const campaignPreview = named(
  'CampaignPreview',
  'What a campaign would do',
  z.object({
    things: z.int().describe('How many things; send it as expectedCount'),
    leftOut: z
      .int()
      .describe('How many more match only by attributes that their devices may set, which count for nothing here'),
    waves: z.array(z.int()).describe('How many things each wave has'),
    sample: z.array(thingName).describe('Some of them'),
  }),
);

export const campaign = named(
  'Campaign',
  'An act on many things, and how far it has come',
  z.object({
    id: uuid.describe('The id of the campaign'),
    status: z.enum(statuses).describe('Whether it runs'),
    reason: z.string().optional().describe('Why it is paused'),
    reasonCode: z
      .string()
      .optional()
      .describe('The same for programs: `asked` by somebody, `failures`, `forbidden`, or the code of a problem'),
    do: act,
    group: groupName.optional(),
    query: anyQuery.describe('The query as it was when it began'),
    policies: policies.optional().describe('What is attached or detached'),
    attributes: attributes.optional().describe('What is set'),
    pauseOver: named(
      'CampaignPauseShare',
      'When it pauses by itself',
      z.object({ failures: z.string().describe('Such as "2 %"') }),
    ),
    waveSeconds: z.int().describe('The least time between the beginnings of two waves'),
    renewWithinSeconds: z.int().optional().describe('How long a device has to renew'),
    wave: z.int().describe('The wave that it is in, from 1'),
    things: z.int().describe('How many things it has; they were found when it began'),
    counts: campaignCounts,
    waves: z.array(campaignWave).describe('The same by wave'),
    createdAt: timestamp.describe('When it began'),
    createdBy: z.string().describe('Who made it'),
    actsFor: z.string().describe('Whose permissions it uses: who made it, or who resumed it last'),
    finishedAt: timestamp.optional().describe('When it was over'),
  }),
);
export const campaignAnswer = named('CampaignAnswer', 'A preview, or a campaign', z.union([campaign, campaignPreview]));
export const campaignPage = page(campaign);
export const campaignQuery = pageQuery.extend({
  status: z.enum(statuses).optional().describe('Campaigns in this state'),
  group: groupName.optional().describe('Campaigns over this group'),
});
export const campaignParams = z.strictObject({ id: uuid.describe('The id of the campaign') });

const campaignThing = named(
  'CampaignThing',
  'A thing of a campaign',
  z.object({
    thingName: z.string().describe('The name of the thing'),
    wave: z.int().describe('Its wave'),
    state: z.enum(states).describe('What became of it'),
    askedAt: timestamp.optional().describe('When its device was asked to renew'),
    reason: z.string().optional().describe('Why it failed or was skipped'),
  }),
);
export const campaignThingPage = page(campaignThing);
export const campaignThingQuery = pageQuery.extend({
  state: z.enum(states).optional().describe('Things in this state'),
});

export type NewCampaign = z.output<typeof newCampaign>;
export type Act = (typeof acts)[number];
export type MemberState = (typeof states)[number];
export type CampaignStatus = (typeof statuses)[number];

/** No thing of a campaign comes after this one. */
export const mostOrdinal = mostInt;
