import { z } from 'zod';
import { named } from '../api/named.js';
import { rfc3339 } from '../clock.js';
import { mostOctetsOfList } from '../limits.js';
import { timestamp, uuid } from '../shapes.js';
import type { StoredList } from '../manufacturers/store.js';

export const listParams = z.strictObject({ id: uuid.describe('The id of the enrollment') });

export const newList = named(
  'NewManufacturerList',
  'The list of what a manufacturer revoked',
  z.strictObject({
    crl: z
      .string()
      .min(1)
      .max(mostOctetsOfList)
      .describe('A complete CRL that the authority of the enrollment signed: PEM, or DER in base64'),
  }),
).meta({ examples: [{ crl: '-----BEGIN X509 CRL-----\n…\n-----END X509 CRL-----\n' }] });

export const list = named(
  'ManufacturerList',
  'The last list of a manufacturer',
  z.object({
    number: z.string().optional().describe('Its number, in hex'),
    thisUpdate: timestamp.describe('When the manufacturer issued it'),
    nextUpdate: timestamp.describe(
      'When it expires: from then on the enrollment admits nobody until the next one comes',
    ),
    revoked: z.int().describe('How many certificates it revokes'),
  }),
);

/** A list as it is shown. */
export function presentList({ number, thisUpdate, nextUpdate, revoked }: StoredList): z.output<typeof list> {
  return {
    ...(number === null ? {} : { number }),
    thisUpdate: rfc3339(thisUpdate),
    nextUpdate: rfc3339(nextUpdate),
    revoked,
  };
}
