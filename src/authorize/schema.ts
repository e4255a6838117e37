import { z } from 'zod';
import { context, logCursor, thingName, timestamp } from '../http/shapes.js';

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

export type Question = z.output<typeof question>;
export type PrincipalForm = {
  token?: string;
  fingerprint?: string | undefined;
  certificatePem?: string;
  thingName?: string;
};

/** AuthZEN 1.0. Members that are not known are ignored, as it asks. */
const subject = z.looseObject({ type: z.string().max(256), id: z.string().max(1024) });
const action = z.looseObject({ name: z.string().max(256) });
const resource = z.looseObject({ type: z.string().max(64), id: z.string().max(70_000) });
const anything = z.record(z.string(), z.unknown());

export const evaluation = z.looseObject({ subject, action, resource, context: anything.optional() });
export const evaluationAnswer = z.object({ decision: z.boolean(), context: anything.optional() });

export const evaluations = z.looseObject({
  subject: subject.optional(),
  action: action.optional(),
  resource: resource.optional(),
  context: anything.optional(),
  evaluations: z
    .array(
      z.looseObject({
        subject: subject.optional(),
        action: action.optional(),
        resource: resource.optional(),
        context: anything.optional(),
      }),
    )
    .max(1000)
    .optional(),
  options: z
    .looseObject({
      evaluations_semantic: z.enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit']).optional(),
    })
    .optional(),
});
export const evaluationsAnswer = z.union([z.object({ evaluations: z.array(evaluationAnswer) }), evaluationAnswer]);

export const authzenConfiguration = z.object({
  policy_decision_point: z.url(),
  access_evaluation_endpoint: z.url(),
  access_evaluations_endpoint: z.url(),
});
