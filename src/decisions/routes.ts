import { z } from 'zod';
import { named } from '../api/named.js';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { numberForm, page, pageOf, pageQuery, placeIn, spanOf } from '../api/paging.js';
import { instant, thingName, timestamp } from '../shapes.js';
import type { DecisionFilter } from './filter.js';

const decision = named(
  'SampledDecision',
  'A decision of the sample',
  z.object({
    id: z.string().describe('Rises with every decision'),
    at: timestamp.describe('When it was decided'),
    thingName,
    action: z.string().describe('What was asked for, such as `publish`'),
    resource: z.string().describe('To what, such as `topic:acme/pump-17/telemetry`'),
    context: z.record(z.string(), z.unknown()).describe('What the question said besides'),
    decision: z.enum(['allow', 'deny']).describe('What was decided'),
    reason: z.string().describe('The deciding statement, or why nothing decided'),
    policy: z.string().optional().describe('The deciding policy with its version'),
  }),
);

type Row = {
  id: bigint;
  at: Date;
  accountName: string;
  thingName: string;
  action: string;
  resource: string;
  context: unknown;
  decision: string;
  reason: string;
  policy: string | null;
};

const decisionPage = page(decision);
const query = pageQuery.extend({
  thing: thingName.optional().describe('Decisions about this thing'),
  decision: z.enum(['allow', 'deny']).optional().describe('What was decided'),
  reason: z.string().max(128).optional().describe('Decisions for this reason'),
  action: z.string().max(256).optional().describe('Decisions about this action'),
  from: instant.optional().describe('Decisions from then on'),
  to: instant.optional().describe('Decisions before then'),
});

/** The decisions of an account that match a filter, newest first, from those before `before`. */
type List = (account: string, filter: DecisionFilter, before: bigint | undefined, limit: number) => Promise<Row[]>;

const timeOf = (text: string | undefined) => (text === undefined ? undefined : new Date(text));

/** `GET /v1/decisions`: a bounded sample of what was decided, newest first. */
export function decisionRoutes(list: List) {
  return async (app: App) => {
    app.get(
      '/v1/decisions',
      {
        config: { access: 'audit:read' },
        schema: {
          operationId: 'listDecisions',
          summary: 'A sample of recent decisions, newest first',
          tags: ['audit'],
          querystring: query,
          response: { 200: decisionPage },
        },
      },
      async (request) => {
        const { thing, from, to, ...rest } = request.query;
        const { account } = grantee(request);
        const place = placeIn(`decisions ${account}`, request.query);
        const { after, limit } = spanOf(place, numberForm);
        const filter = { ...rest, thing, from: timeOf(from), to: timeOf(to) };
        const rows = await list(account, filter, after === undefined ? undefined : BigInt(after), limit);
        return pageOf(rows, place, ({ id }) => String(id), present);
      },
    );
  };
}

function present({
  id,
  at,
  context,
  decision: decided,
  policy,
  accountName: _,
  ...rest
}: Row): z.output<typeof decision> {
  return {
    ...rest,
    id: String(id),
    at: rfc3339(at),
    context: context as Record<string, unknown>,
    decision: decided as 'allow' | 'deny',
    ...(policy === null ? {} : { policy }),
  };
}
