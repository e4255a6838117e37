import { z } from 'zod';
import { context, instant, logCursor, page, pageQuery, session, thingName } from '../shapes.js';

const word = z.string().regex(/^[A-Za-z0-9:._-]{1,128}$/, 'must be 1 to 128 letters, digits, and : . _ -');

/** What one report of an edge holds at most. */
export const mostOfReport = { opened: 2000, closed: 5000, seen: 5000, reasons: 100, decisions: 20 };

/** The largest report. */
export const reportBytes = 4 * 1024 * 1024;

// A report says what devices chose: what is longer than a table should hold is cut, and no device makes the report a bad one.
const longestClientId = 65_535;
const keptOfClientId = 1024;

const opened = z.strictObject({
  id: word.describe('Chosen at random by the edge: it names the session among all of the account'),
  thingName,
  protocol: z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be a protocol such as mqtts'),
  clientId: z.string().max(longestClientId).transform(cut).optional(),
  sourceIp: z.string().max(64).optional(),
  connectedAt: instant,
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 lower-case hex digits')
    .optional(),
});

const longestResource = 131_072;

const decision = z.strictObject({
  at: instant,
  thingName,
  action: z.string().max(128),
  resource: z.string().max(longestResource).describe('A decision about more than 1,024 characters is not kept'),
  context: context.default({}),
  decision: z.enum(['allow', 'deny']),
  reason: z.string().max(128),
  policy: z.string().max(128).optional(),
});

export const report = z.strictObject({
  incarnation: word,
  full: z
    .literal(true)
    .optional()
    .describe(
      'opened has all sessions that there are, as when a run begins or the log has another epoch: forget the others',
    ),
  opened: z.array(opened).max(mostOfReport.opened).default([]),
  closed: z.array(word).max(mostOfReport.closed).default([]),
  seen: z
    .array(z.strictObject({ thingName, at: instant }))
    .max(mostOfReport.seen)
    .default([]),
  denied: z
    .record(z.string().max(128), z.int().min(0).max(1_000_000_000))
    .refine((counts) => Object.keys(counts).length <= mostOfReport.reasons, 'must have at most 100 reasons')
    .default({}),
  decisions: z.array(decision).max(mostOfReport.decisions).default([]),
});

export type SessionReport = z.output<typeof report>;

export const reportParams = z.strictObject({ id: z.uuid() });
export const sessionParams = z.strictObject({ id: word });
export const sessionQuery = pageQuery.extend({
  thing: thingName.optional(),
  proxy: word.optional().describe('The id or the name of an edge'),
});
export const sessionPage = page(session);
export const ended = z.object({ position: z.int(), cursor: logCursor });

/** The beginning of a text; half a pair of UTF-16 would not be text. */
function cut(text: string): string {
  return text.slice(0, keptOfClientId).replace(/[\ud800-\udbff]$/, '');
}
