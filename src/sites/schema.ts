import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery } from '../api/paging.js';
import { policyName, thingType, timestamp, uuid, versionNumber } from '../shapes.js';

const octets = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const bitsPerSecond = z.number().min(0).max(1e15);
const share = z.number().min(0).max(1);
const perSecond = z.number().min(0).max(1e12);
const mostPipelines = 1000;
const mostTypes = 100;

const capacity = named(
  'SiteCapacity',
  'What the machine of an edge has for it',
  z.strictObject({
    cores: z.number().gt(0).max(65_536).describe('Processors; less than one where the edge may use a part of one'),
    memory: octets.describe('Memory in octets'),
    disk: octets.describe('The file system of the folder `stateDir`, in octets'),
    bandwidth: bitsPerSecond.optional().describe('Bits a second, both ways together, where edge.yaml says so'),
    pipelines: z.boolean().optional().describe('Whether the edge runs pipelines; absent: it may'),
  }),
);

const pipeline = named(
  'SitePipeline',
  'A pipeline that runs at an edge',
  z.strictObject({
    name: policyName.describe('The name of the pipeline'),
    version: versionNumber,
    messages: perSecond.optional().describe('Messages a second that it took since the last report'),
    cpu: z.number().min(0).max(65_536).optional().describe('Processors that were busy with its steps meanwhile'),
    things: z.int().min(0).max(1_000_000).optional().describe('Things of which it keeps something'),
  }),
);

const typeLoad = named(
  'SiteType',
  'What things of a type publish at an edge',
  z.strictObject({ type: thingType, messages: perSecond.describe('Messages a second') }),
);

const load = named(
  'SiteLoad',
  'What of it is in use',
  z.strictObject({
    cpu: share.describe('The share of the processors that was busy since the last report'),
    memory: octets.describe('Memory in use, in octets'),
    disk: octets.describe('Octets of the file system that are in use'),
    bandwidth: bitsPerSecond.describe('Bits a second from and to devices, both ways together'),
    messages: perSecond.describe('Messages and requests a second that were decided'),
    sessions: z.int().min(0).max(1_000_000).describe('Live sessions'),
    pipelines: z.array(pipeline).max(mostPipelines).default([]).describe('The pipelines that run'),
    types: z
      .array(typeLoad)
      .max(mostTypes)
      .optional()
      .describe('Types of things, those that publish most; only edges that run pipelines say so'),
  }),
);

export const report = named(
  'SiteReport',
  'What an edge says of its machine, every ten seconds',
  z.strictObject({ capacity, load }),
).meta({
  examples: [
    {
      capacity: { cores: 4, memory: 8_589_934_592, disk: 64_424_509_440 },
      load: {
        cpu: 0.35,
        memory: 2_147_483_648,
        disk: 6_442_450_944,
        bandwidth: 1_200_000,
        messages: 840,
        sessions: 310,
      },
    },
  ],
});

/** What an edge says of its machine. */
export type SiteReport = z.output<typeof report>;

const utilization = named(
  'SiteUtilization',
  'What is in use on the average of the last five reports',
  z.object({
    cpu: share.describe('The share of the processors'),
    memory: share.describe('The share of the memory'),
    mean: share.describe('The larger of the two: what the signal follows'),
  }),
);

const signal = z
  .enum(['steady', 'scale-up', 'scale-down'])
  .describe('`scale-up` from above 0.8 until 0.7, `scale-down` from below 0.2 until 0.3 of `utilization.mean`');

const site = named(
  'Site',
  'An edge, and the machine that it runs on',
  z.object({
    id: uuid.describe('The id of the edge'),
    name: z
      .string()
      .describe('The name of the edge')
      .meta({ examples: ['berlin-1'] }),
    stale: z.boolean().describe('It has said nothing for 30 seconds'),
    reportedAt: timestamp.describe('When it last said so'),
    capacity,
    load,
    utilization: utilization.optional().describe('Absent until there are five reports in a row'),
    signal,
    signalSince: timestamp.describe('Since when the signal is this'),
  }),
);

export const siteParams = z.strictObject({ id: uuid.describe('The id of the edge') });
export const siteQuery = pageQuery.extend({ signal: signal.optional() });
export const sitePage = page(site);
export { site };
