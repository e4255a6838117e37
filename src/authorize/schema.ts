import { z } from 'zod';
import { context, logCursor, thingName, timestamp } from '../shapes.js';

const token = z.string().min(1).max(16_384);
const fingerprint = z.string().regex(/^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/, 'must be SHA-256 of the DER in hex');
const certificatePem = z
  .string()
  .min(1)
  .max(32_768)
  .describe(
    'The client certificate as PEM (a chain may follow, text may surround it), percent-encoded PEM as NGINX, Envoy and AWS pass it on, or its DER in base64',
  );

/** Who is asked about: by one credential, and for a token the certificate that it came with. */
export const principal = z.union([
  z.strictObject({ token, fingerprint: fingerprint.optional() }),
  z.strictObject({ token, certificatePem }),
  z.strictObject({ fingerprint }),
  z.strictObject({ certificatePem }),
  z.strictObject({ thingName }),
]);

export const question = z.strictObject({
  principal,
  action: z.string().max(256),
  resource: z.string().max(70_000),
  context: context.optional(),
  atLeast: logCursor.optional(),
});

export const answer = z.object({
  decision: z.enum(['allow', 'deny']),
  reasons: z.array(z.string()),
  policy: z.string().optional(),
  statement: z.string().optional(),
  validUntil: timestamp,
  cursor: z.string(),
  refresh: z.literal(true).optional(),
  limits: z.record(z.string(), z.unknown()).optional(),
  detail: z.string().optional().describe('In a batch, why this one could not be decided'),
});

const right = z.object({
  action: z.string().describe('`*` on endpoints: any action'),
  resource: z.string().describe("With the values of the thing in it; `*`: every resource of the action's kind"),
  until: timestamp.optional().describe('When its time windows end'),
  condition: z
    .object({
      sourceCidrs: z.array(z.string()).optional(),
      protocols: z.array(z.string()).optional(),
      retain: z.boolean().optional(),
      qos: z.array(z.int()).optional(),
      clientId: z.string().optional().describe('Holds if the list allows `connect` with it'),
    })
    .optional()
    .describe('What the context leaves open'),
});

/** What a principal may do: read as a policy, so what is not allowed is denied, and a deny beats every allow. */
export const rights = z.object({
  allow: z.array(right),
  deny: z.array(right),
  reasons: z.array(z.string()).optional().describe('Why everything is denied, where no policy says it'),
  validUntil: timestamp,
  cursor: z.string(),
});

export const rightsQuestion = z.strictObject({ principal, context: context.optional() });
export const thingParams = z.strictObject({ name: thingName });

export const batch = z.strictObject({ requests: z.array(question).max(1000) });
export const batchAnswer = z.object({ decisions: z.array(answer) });
