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

export const batch = z.strictObject({ requests: z.array(question).max(1000) });
export const batchAnswer = z.object({ decisions: z.array(answer) });
