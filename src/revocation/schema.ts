import { z } from 'zod';
import { anySerialNumber, outsideLists, serialNumber, thingName, timestamp } from '../shapes.js';
import { reasonCodes, type RevocationReason } from '../pki/crl.js';

export const reason = z.enum(Object.keys(reasonCodes) as [RevocationReason, ...RevocationReason[]]);

const aws = z
  .object({ status: z.literal('pending') })
  .optional()
  .describe('AWS IoT follows later, where there is a mirror');

export const certificateParams = z.strictObject({ serialNumber: anySerialNumber });
export const revocation = z.strictObject({ reason });
export const revoked = z.object({
  serialNumber,
  status: z.literal('revoked'),
  reason,
  revokedAt: timestamp,
  position: z.int(),
  cursor: z.string(),
  aws,
  outsideLists,
});
export const released = z.object({
  serialNumber,
  status: z.literal('active'),
  position: z.int(),
  cursor: z.string(),
  aws,
  outsideLists,
});

export const thingParams = z.strictObject({ name: thingName });
/** The proof carries the reason. */
export const selfRevocation = z.strictObject({ proof: z.string().min(1).max(8192) });
/** Why a thing ends for good: nothing that could be released, and nothing that lists leave out. */
export const finalReason = reason.exclude(['certificateHold', 'superseded']);
export const thingRevocation = z.strictObject({ reason: finalReason.default('unspecified') }).nullish();
export const thingRevoked = z.object({
  name: thingName,
  status: z.enum(['active', 'suspended', 'revoked']),
  /** How many certificates this changed. */
  certificates: z.int(),
  position: z.int().optional(),
  cursor: z.string(),
  aws,
});
