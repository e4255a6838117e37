import { z } from 'zod';
import { named } from '../api/named.js';
import { context, logCursor, openObject, thingName, timestamp } from '../shapes.js';

const token = z.string().min(1).max(16_384).describe('An access token of the device');
const fingerprint = z
  .string()
  .regex(/^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/, 'must be SHA-256 of the DER in hex')
  .meta({
    description: 'SHA-256 of the client certificate in DER, in hex',
    examples: ['9b1f0c5de2a94b6f8e3d7c1a05f4b2d86e7a9c3b1d0f5e4a8b6c2d9e7f3a1b50'],
  });
const certificatePem = z
  .string()
  .min(1)
  .max(32_768)
  .describe(
    'The client certificate as PEM (a chain may follow, text may surround it), percent-encoded PEM as NGINX, Envoy and AWS pass it on, or its DER in base64',
  );

/** Who is asked about: by one credential, and for a token the certificate that it came with. */
export const principal = named(
  'Principal',
  'Who is asked about: by one credential, and for a token the certificate that it came with',
  z.union([
    named(
      'TokenPrincipal',
      'The holder of an access token; give the fingerprint of the client certificate too',
      z.strictObject({ token, fingerprint: fingerprint.optional() }),
    ),
    named(
      'TokenWithCertificatePrincipal',
      'The holder of an access token, with the client certificate',
      z.strictObject({ token, certificatePem }),
    ),
    named('FingerprintPrincipal', 'The holder of a certificate, by its fingerprint', z.strictObject({ fingerprint })),
    named('CertificatePrincipal', 'The holder of a certificate', z.strictObject({ certificatePem })),
    named('NamedPrincipal', 'A thing by its name alone', z.strictObject({ thingName })),
  ]),
);

const asked = { principal: { thingName: 'pump-17' }, action: 'publish', resource: 'topic:acme/pump-17/telemetry' };

export const question = named(
  'AuthorizeRequest',
  'May this device do that now?',
  z.strictObject({
    principal,
    action: z.string().max(256).describe('Such as `publish`'),
    resource: z.string().max(70_000).describe('Its kind and name, such as `topic:acme/pump-17/telemetry`'),
    context: context.optional(),
    atLeast: logCursor
      .optional()
      .describe('Decide with everything up to this place of the log; 503 if it is not reached soon'),
  }),
).meta({ examples: [asked] });

/** A question on a stream. */
export const streamedQuestion = named(
  'StreamedAuthorizeRequest',
  'A question on a stream',
  question.extend({
    id: z.union([z.string().max(200), z.int()]).describe('Comes back with the answer; answers come in any order'),
  }),
);

const right = named(
  'Right',
  'Actions on resources, perhaps under a condition',
  z.object({
    action: z.string().describe('`*` on endpoints: any action'),
    resource: z.string().describe("With the values of the thing in it; `*`: every resource of the action's kind"),
    until: timestamp.optional().describe('When its time windows end'),
    condition: named(
      'RightCondition',
      'What the context leaves open',
      z.object({
        sourceCidrs: z.array(z.string()).optional().describe('From these addresses'),
        protocols: z.array(z.string()).optional().describe('By these protocols'),
        retain: z.boolean().optional().describe('Only publications that are retained, or that are not'),
        qos: z.array(z.int()).optional().describe('With these qualities of service'),
        clientId: z.string().optional().describe('Holds if the list allows `connect` with it'),
      }),
    ).optional(),
  }),
);

export const rights = named(
  'Rights',
  'What a principal may do: read as a policy, so what is not allowed is denied, and a deny beats every allow',
  z.object({
    allow: z.array(right).describe('What is allowed'),
    deny: z.array(right).describe('What is denied, whatever is allowed'),
    reasons: z.array(z.string()).optional().describe('Why everything is denied, where no policy says it'),
    validUntil: timestamp.describe('Until when the list may be kept'),
    cursor: z.string().describe('How far the log was applied when this was made'),
  }),
);

export const rightsQuestion = named(
  'RightsRequest',
  'Whose rights, and in which context',
  z.strictObject({ principal, context: context.optional() }),
).meta({ examples: [{ principal: { thingName: 'pump-17' } }] });
export const thingParams = z.strictObject({ name: thingName });

export const answer = named(
  'Decision',
  'The answer to one question',
  z.object({
    decision: z.enum(['allow', 'deny']).describe('What was decided; a deny has status 200 too'),
    reasons: z
      .array(z.string())
      .describe(
        'The id of the deciding statement, or a reason. Of statements: no-matching-statement, outside-time-window. Of the principal: token-invalid, token-expired, token-revoked, binding-mismatch, certificate-revoked, certificate-superseded, certificate-expired, thing-suspended, thing-revoked, unknown-principal. Others: outside-segment, malformed-resource, and in a batch cannot-decide',
      ),
    policy: z.string().optional().describe('The deciding policy with its version, such as `sensor@3`'),
    statement: z.string().optional().describe('The id of the deciding statement'),
    validUntil: timestamp.describe('Until when the answer may be cached, for the whole question'),
    cursor: z.string().describe('How far the log was applied when this was decided'),
    refresh: z
      .literal(true)
      .optional()
      .describe('The thing has changed since its token was issued: it should refresh it'),
    limits: openObject.optional().describe('The traffic policy of the segment of the thing'),
    detail: z.string().optional().describe('In a batch, why this one could not be decided'),
  }),
);

export const batch = named(
  'AuthorizeBatchRequest',
  'Several questions',
  z.strictObject({ requests: z.array(question).max(1000).describe('The questions, at most 1,000') }),
).meta({ examples: [{ requests: [asked] }] });
export const batchAnswer = named(
  'DecisionBatch',
  'Several answers',
  z.object({ decisions: z.array(answer).describe('The answers, in the order of the questions') }),
);
