import { z } from 'zod';
import { named } from '../api/named.js';
import { anySerialNumber, logPosition, outsideLists, serialNumber, thingName, timestamp } from '../shapes.js';
import { reasonCodes, type RevocationReason } from '../pki/crl.js';

export const reason = z.enum(Object.keys(reasonCodes) as [RevocationReason, ...RevocationReason[]]).meta({
  title: 'RevocationReason',
  description: 'Why a certificate is revoked (RFC 5280 §5.3.1)',
  examples: ['keyCompromise'],
});
const logPlace = {
  position: logPosition.describe('The position of the entry in the log'),
  cursor: z.string().describe('The same as a cursor: /v1/revocations/{position} says which edges enforce it'),
};

const aws = named(
  'AwsPending',
  'AWS IoT follows later',
  z.object({ status: z.literal('pending').describe('It is on its way') }),
)
  .optional()
  .describe('AWS IoT follows later, where there is a mirror');

export const certificateParams = z.strictObject({ serialNumber: anySerialNumber });
export const revocation = named('Revocation', 'Why a certificate is revoked', z.strictObject({ reason })).meta({
  examples: [{ reason: 'certificateHold' }],
});
export const revoked = named(
  'RevokedCertificate',
  'A certificate that is revoked from now on, on every instance',
  z.object({
    serialNumber,
    status: z.literal('revoked').describe('It is revoked or held'),
    reason,
    revokedAt: timestamp.describe('When it was first revoked'),
    ...logPlace,
    aws,
    outsideLists,
  }),
);
export const released = named(
  'ReleasedCertificate',
  'A certificate that is valid again',
  z.object({
    serialNumber,
    status: z.literal('active').describe('It is valid'),
    ...logPlace,
    aws,
    outsideLists,
  }),
);

export const thingParams = z.strictObject({ name: thingName });
/** The proof carries the reason. */
export const selfRevocation = named(
  'SelfRevocation',
  'A device gives itself up',
  z.strictObject({
    proof: z.string().min(1).max(8192).describe('A JWT of typ revoke+jwt, signed by the device key'),
  }),
).meta({ examples: [{ proof: 'eyJ...' }] });
/** Why a thing ends for good: nothing that could be released, and nothing that lists leave out. */
export const finalReason = reason.exclude(['certificateHold', 'superseded']);
export const thingRevocation = named(
  'ThingRevocation',
  'Why a thing is revoked',
  z.strictObject({
    reason: finalReason.default('unspecified').describe('Why its certificates are revoked'),
  }),
)
  .nullish()
  .meta({ examples: [{ reason: 'cessationOfOperation' }] });
export const thingRevoked = named(
  'ThingOutcome',
  'A thing whose status counts from now on, on every instance',
  z.object({
    name: thingName,
    status: z.enum(['active', 'suspended', 'revoked']).describe('Its status'),
    certificates: z.int().describe('How many certificates this changed'),
    position: logPosition.optional(),
    cursor: z.string().describe('A place in the log that has the change'),
    aws,
  }),
);
