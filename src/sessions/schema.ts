import { z } from 'zod';
import { named } from '../api/named.js';
import { page, pageQuery } from '../api/paging.js';
import { context, instant, logCursor, logPosition, session, thingName, uuid } from '../shapes.js';

const word = z
  .string()
  .regex(/^[A-Za-z0-9:._-]{1,128}$/, 'must be 1 to 128 letters, digits, and : . _ -')
  .meta({ examples: ['edge-1'] });

/** What one report of an edge holds at most. */
export const mostOfReport = { opened: 2000, closed: 5000, seen: 5000, reasons: 100, decisions: 20 };

/** The largest report. */
export const reportBytes = 4 * 1024 * 1024;

// A report says what devices chose: what is longer than a table should hold is cut, and no device makes the report a bad one.
const longestClientId = 65_535;
const keptOfClientId = 1024;

const opened = named(
  'OpenedSession',
  'A session that began',
  z.strictObject({
    id: word.describe('Chosen at random by the edge: it names the session among all of the account'),
    thingName,
    protocol: z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/, 'must be a protocol such as mqtts')
      .meta({ description: 'What the device speaks', examples: ['mqtts'] }),
    clientId: z
      .string()
      .max(longestClientId)
      .overwrite(cut)
      .optional()
      .describe('What the device calls itself in the protocol'),
    sourceIp: z.string().max(64).optional().describe('The address that the device came from'),
    connectedAt: instant.describe('When the session began'),
    fingerprint: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 lower-case hex digits')
      .optional()
      .meta({
        description: 'SHA-256 of the client certificate in DER',
        examples: ['9b1f0c5de2a94b6f8e3d7c1a05f4b2d86e7a9c3b1d0f5e4a8b6c2d9e7f3a1b50'],
      }),
  }),
);

const longestResource = 131_072;

const decision = named(
  'ReportedDecision',
  'Something that an edge decided',
  z.strictObject({
    at: instant.describe('When it was decided'),
    thingName,
    action: z.string().max(128).describe('What was asked for'),
    resource: z.string().max(longestResource).describe('A decision about more than 1,024 characters is not kept'),
    context: context.default({}),
    decision: z.enum(['allow', 'deny']).describe('What was decided'),
    reason: z.string().max(128).describe('The deciding statement, or why nothing decided'),
    policy: z.string().max(128).optional().describe('The deciding policy with its version'),
  }),
);
const seen = named(
  'SeenThing',
  'When a thing was last seen',
  z.strictObject({ thingName, at: instant.describe('When it was seen') }),
);

export const report = named(
  'SessionReport',
  'What changed of the sessions at an edge, and what it saw and decided',
  z.strictObject({
    incarnation: word.describe('Differs for every run of the edge'),
    full: z
      .literal(true)
      .optional()
      .describe(
        'opened has all sessions that there are, as when a run begins or the log has another epoch: forget the others',
      ),
    opened: z.array(opened).max(mostOfReport.opened).default([]).describe('Sessions that began'),
    closed: z.array(word).max(mostOfReport.closed).default([]).describe('The ids of sessions that ended'),
    seen: z.array(seen).max(mostOfReport.seen).default([]).describe('Things that were seen'),
    denied: z
      .record(z.string().max(128), z.int().min(0).max(1_000_000_000))
      .refine((counts) => Object.keys(counts).length <= mostOfReport.reasons, 'must have at most 100 reasons')
      .default({})
      .describe('How many denials there were, by reason'),
    decisions: z.array(decision).max(mostOfReport.decisions).default([]).describe('A sample of what was decided'),
  }),
).meta({ examples: [{ incarnation: 'run-1', seen: [{ thingName: 'pump-17', at: '2026-11-28T12:00:00Z' }] }] });

export type SessionReport = z.output<typeof report>;

export const reportParams = z.strictObject({ id: uuid.describe('The id of the edge') });
export const sessionParams = z.strictObject({ id: word.describe('The id of the session') });
export const sessionQuery = pageQuery.extend({
  thing: thingName.optional().describe('Sessions of this thing'),
  proxy: word.optional().describe('The id or the name of an edge'),
});
export const sessionPage = page(session);
export const ended = named(
  'EndedSession',
  'The entry that ends a session',
  z.object({
    position: logPosition,
    cursor: logCursor.describe('The same as a cursor: /v1/revocations/{position} says which edges ended it'),
  }),
);

/** The beginning of a text; half a pair of UTF-16 would not be text. */
function cut(text: string): string {
  return text.slice(0, keptOfClientId).replace(/[\ud800-\udbff]$/, '');
}
