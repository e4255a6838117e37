import { z } from 'zod';
import { named } from '../named.js';
import { rfc3339 } from '../clock.js';
import { grantee } from '../http/request.js';
import type { App } from '../http/route.js';
import { page, pageOf, pageQuery, readCursor, thingName, timestamp } from '../shapes.js';

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

/** The decisions of an account, newest first, from those before `before`. */
type List = (account: string, before: bigint | undefined, limit: number) => Promise<Row[]>;

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
          querystring: pageQuery,
          response: { 200: page(decision) },
        },
      },
      async (request) => {
        const { limit, cursor } = request.query;
        const before = readCursor(cursor, /^\d{1,18}$/);
        const rows = await list(grantee(request).account, before === undefined ? undefined : BigInt(before), limit + 1);
        return pageOf(rows, limit, ({ id }) => String(id), present);
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
