import { z } from 'zod';
import { named } from '../api/named.js';
import { instant, timestamp } from '../shapes.js';
import { figureName } from '../metrics/shapes.js';

export const query = z.strictObject({
  name: figureName,
  from: instant.optional().describe('The beginning; by default an hour before the end'),
  to: instant.optional().describe('The end; by default now'),
  step: z.coerce
    .number()
    .int()
    .min(60)
    .max(86_400)
    .multipleOf(60)
    .default(60)
    .describe('Seconds from one point to the next: whole minutes'),
});

const point = named(
  'MetricPoint',
  'The value of a step',
  z.object({
    at: timestamp.describe('The beginning of the step'),
    value: z.number().describe('Counts are added up; of gauges, the highest or, for `lists.ends`, the lowest'),
  }),
);

const series = named(
  'MetricSeries',
  'What a part has of the whole',
  z.object({
    label: z.string().describe('The name of an edge, or a reason; `other` is the rest of many'),
    points: z.array(point).describe('Steps without a value are left out; after two hours every ten minutes have one'),
  }),
);

export const metric = named(
  'Metric',
  'A figure of the account over time',
  z.object({
    name: figureName,
    kind: z.enum(['count', 'gauge']).describe('How often something happened, or how much there was'),
    unit: z.enum(['events', 'objects', 'seconds', 'entries']).describe('What the values are'),
    from: timestamp.describe('The beginning of the first step'),
    to: timestamp.describe('The end'),
    step: z.int().describe('Seconds from one point to the next'),
    points: z.array(point).describe('The whole, oldest first. Without a figure it is 0; `lists.*` have no point then'),
    by: z.enum(['edge', 'reason']).optional().describe('What the parts are named by, where there are parts'),
    series: z.array(series).optional().describe('The 50 largest parts'),
  }),
);
