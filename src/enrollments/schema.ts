import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { attributeName, attributes, instant, page, policyName, segmentName, thingType, timestamp } from '../shapes.js';

const thingNamePattern = z
  .string()
  .regex(/^[A-Za-z0-9:_*?-]{1,128}$/, 'must be a thing name with * for any text and ? for one character');
const cidr = z.string().refine(isCidr, 'must be an address range such as 10.0.0.0/8 or 2001:db8::/32');

export const newEnrollment = z
  .strictObject({
    policy: policyName.optional(),
    policies: z.array(policyName).min(1).max(20).optional(),
    thingNamePattern,
    thingType: thingType.optional(),
    maxUses: z.int().min(1).max(10_000_000),
    expiresAt: instant.optional(),
    sourceCidrs: z.array(cidr).min(1).max(100).optional(),
    attributes: attributes.optional(),
    deviceAttributes: z.array(attributeName).max(50).optional(),
    segment: segmentName.optional(),
  })
  .refine(
    ({ policy, policies }) => policy === undefined || policies === undefined,
    'name policy or policies, not both',
  );

export const createdEnrollment = z.object({ id: z.uuid(), token: z.string() });
export const enrollment = z.object({
  id: z.uuid(),
  status: z.enum(['active', 'exhausted', 'expired', 'revoked']),
  policies: z.array(policyName),
  thingNamePattern: z.string(),
  thingType: thingType.optional(),
  maxUses: z.int(),
  uses: z.int(),
  expiresAt: timestamp.optional(),
  sourceCidrs: z.array(z.string()),
  attributes: z.record(z.string(), z.string()),
  deviceAttributes: z.array(z.string()),
  segment: segmentName.optional(),
  createdAt: timestamp,
  createdBy: z.string(),
  revokedAt: timestamp.optional(),
});
export const enrollmentPage = page(enrollment);
export const enrollmentParams = z.strictObject({ id: z.uuid() });
/** With `andThings`, everything that the enrollment made is revoked too. */
export const revokeEnrollment = z.strictObject({ andThings: z.boolean().optional() }).nullish();

export type NewEnrollment = z.output<typeof newEnrollment>;

function isCidr(text: string): boolean {
  const [address, prefix, ...rest] = text.split('/');
  if (rest.length > 0 || prefix === undefined || !/^\d{1,3}$/.test(prefix)) return false;
  const version = isIP(address ?? '');
  return version !== 0 && Number(prefix) <= (version === 4 ? 32 : 128);
}

/** Whether an address lies in one of the ranges. IPv4 written as IPv6 counts as IPv4. */
export function isWithin(address: string, cidrs: string[]): boolean {
  const ranges = new BlockList();
  for (const cidr of cidrs) {
    const [network, prefix] = cidr.split('/') as [string, string];
    ranges.addSubnet(network, Number(prefix), isIP(network) === 4 ? 'ipv4' : 'ipv6');
  }
  const plain = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
  const version = isIP(plain);
  return version !== 0 && ranges.check(plain, version === 4 ? 'ipv4' : 'ipv6');
}
