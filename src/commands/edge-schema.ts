import { z } from 'zod';
import { named } from '../api/named.js';
import { mostOfCommand } from '../limits.js';
import { thingName, uuid } from '../shapes.js';
import { isShallow } from './payload-schema.js';

/** What one claim or report of an edge holds at most. */
export const mostOfEdge = { sessions: 200, names: 100, claimed: 20, reports: 50 };

/** The largest claim or report. */
export const edgeBytes = 2 * 1024 * 1024;

const word = z
  .string()
  .regex(/^[A-Za-z0-9:._-]{1,128}$/, 'must be 1 to 128 letters, digits, and : . _ -')
  .meta({ examples: ['edge-1'] });
const ofEdge = {
  proxy: uuid.describe('The id of the edge'),
  incarnation: word.describe('Differs for every run of the edge'),
};

export const claim = named(
  'CommandClaim',
  'What an edge can send commands to',
  z.strictObject({
    ...ofEdge,
    claim: uuid.describe('Chosen at random for each claim; the same again gets the same commands, and no others'),
    sessions: z
      .array(
        named(
          'ClaimingSession',
          'A session that can be sent commands',
          z.strictObject({
            id: word.describe('The id of the session, as it was reported'),
            names: z
              .array(z.string().max(64))
              .max(mostOfEdge.names)
              .optional()
              .describe('Only commands of these names; absent: of every name'),
          }),
        ),
      )
      .min(1)
      .max(mostOfEdge.sessions)
      .describe('Sessions of this edge'),
  }),
).meta({
  examples: [
    {
      proxy: '7d0c4f0e-6f0b-4b57-9a53-3f4c6d2b8e11',
      incarnation: 'run-1',
      claim: '1f3c9a52-7d0e-4d7e-8f61-2b9f0c5de2a9',
      sessions: [{ id: 'session-1' }],
    },
  ],
});
export type Claim = z.output<typeof claim>;

export const claimed = named(
  'ClaimedCommands',
  'Commands that this edge, and no other, has to send',
  z.object({
    commands: z
      .array(
        named(
          'ClaimedCommand',
          'A command to send',
          z.object({
            id: uuid.describe('The id of the command'),
            session: z.string().describe('The session to send it to'),
            thingName,
            thingId: uuid.describe('The id of the thing'),
            name: z.string().describe('The name of the command'),
            payload: z.unknown().describe('What the thing is sent'),
            expiresAt: z.iso.datetime().describe('From then on it must not be sent'),
          }),
        ),
      )
      .describe('In the order in which they were made'),
    held: z.array(z.string()).describe('The sessions that count here: the others were not reported yet'),
    more: z.boolean().describe('Claim again: there may be more'),
  }),
);

export const report = named(
  'CommandReport',
  'What became of commands at an edge',
  z.strictObject({
    ...ofEdge,
    commands: z
      .array(
        named(
          'ReportedCommand',
          'What became of a command',
          z.strictObject({
            id: uuid.describe('The id of the command'),
            thingName,
            status: z
              .enum(['released', 'delivered', 'acknowledged', 'failed'])
              .describe('released: it was certainly not sent, and waits again; delivered: the broker has it'),
            reason: z
              .string()
              .max(256)
              .regex(/^[ -~]*$/, 'must be printable ASCII')
              .meta({
                description: 'Why it failed, where the device did not say so',
                examples: ['denied: no-matching-statement'],
              })
              .optional(),
            result: z
              .unknown()
              .refine(
                (value) => isShallow(value, mostOfCommand.depth) && octetsOf(value) <= mostOfCommand.result,
                `must have ${mostOfCommand.result} octets and ${mostOfCommand.depth} levels at most`,
              )
              .optional()
              .describe('What the device answered'),
          }),
        ),
      )
      .min(1)
      .max(mostOfEdge.reports)
      .describe('The commands'),
  }),
).meta({
  examples: [
    {
      proxy: '7d0c4f0e-6f0b-4b57-9a53-3f4c6d2b8e11',
      incarnation: 'run-1',
      commands: [{ id: '1f3c9a52-7d0e-4d7e-8f61-2b9f0c5de2a9', thingName: 'pump-17', status: 'acknowledged' }],
    },
  ],
});
export type Report = z.output<typeof report>;

function octetsOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value ?? null));
}
