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
