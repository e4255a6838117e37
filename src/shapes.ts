import { z } from 'zod';
import { DomainError } from './errors.js';
import { permissions, roles } from './access/permissions.js';
import { cursorForm } from './log/cursor.js';
import { mostGraceSeconds } from './limits.js';
import { serialDigits } from './pki/serial-number.js';

/** The shapes that several features' requests and answers share, in the words of the product. */

export const accountName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and hyphens, at most 63');
/** How names are written, for those that read them from elsewhere than a request. */
export const thingNameForm = /^[A-Za-z0-9:_-]{1,128}$/;
export const thingTypeForm = /^[A-Za-z0-9_-]{1,64}$/;
export const attributeNameForm = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

export const thingName = z.string().regex(thingNameForm, 'must be 1 to 128 letters, digits, and : _ -');
export const thingType = z.string().regex(thingTypeForm, 'must be 1 to 64 letters, digits, and _ -');
export const policyName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -');
export const segmentName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -');
export const serialNumber = z.string().regex(/^[0-9a-f]{40}$/, 'must be 40 lower-case hex digits');
/** A serial number in a request, as programs print it: capitals, colons, without leading zeros. Read as 40 digits. */
export const anySerialNumber = z
  .string()
  .max(64)
  .regex(/^([0-9A-Fa-f]:?){1,40}$/, 'must be at most 40 hex digits')
  .transform((text) => serialDigits(text.replaceAll(':', '')));
/** Of enrollments and accounts. */
export const renewGraceSeconds = z
  .int()
  .min(0)
  .max(mostGraceSeconds)
  .describe('How long a device can renew after its certificate expired, in seconds; 0 is off');
/** The most that a column of whole numbers holds. */
export const mostInt = 2 ** 31 - 1;
export const permission = z.enum(permissions);
export const role = z.enum(roles);
/** A time in a request, of the years that every answer, certificate and database can say. */
export const instant = z.iso.datetime({ offset: true }).refine(isOrdinary, 'must be a time from 1970 to 9999');
/** A time in an answer. */
export const timestamp = z.iso.datetime();

export const attributeName = z
  .string()
  .regex(attributeNameForm, 'must be a letter and then at most 63 letters, digits, _ -');
export const attributeValue = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[ -~\u00a0-\uffff]+$/, 'must have no control characters');
export const attributes = z
  .record(attributeName, attributeValue)
  .refine((value) => Object.keys(value).length <= 50, 'must have at most 50 members');

export const thing = z.object({
  id: z.uuid(),
  name: thingName,
  account: accountName,
  thingType: thingType.optional(),
  attributes: z.record(z.string(), z.string()),
  status: z.enum(['active', 'suspended', 'revoked']),
  createdAt: timestamp,
});

/** How people are named: they type it to sign in. */
export const personName = z
  .string()
  .trim()
  .regex(/^[ -~\u00a0-\uffff]{1,128}$/, 'must be 1 to 128 characters, none of them a control character');

export const person = z.object({
  id: z.uuid(),
  account: accountName,
  name: z.string(),
  email: z.string().optional(),
  role: role.optional(),
  permissions: z.array(permission),
  status: z.enum(['invited', 'active', 'suspended']),
  methods: z.array(z.enum(['passkey', 'password', 'sso'])).describe('The ways in that the person has set up'),
  lastSignInAt: timestamp.optional(),
  createdAt: timestamp,
  createdBy: z.string(),
});

/** A live session of a device at an edge. */
export const session = z.object({
  id: z.string(),
  proxy: z.uuid(),
  proxyName: z.string(),
  thingName,
  protocol: z.string(),
  clientId: z.string().optional(),
  sourceIp: z.string().optional(),
  connectedAt: timestamp,
  fingerprint: z.string().optional(),
});

/** A thing in AWS IoT, where the account has a mirror there. */
export const inAws = z.object({
  thingArn: z.string(),
  certificateId: z.string().optional().describe('SHA-256 of the newest certificate, as AWS names it'),
  status: z.enum(['pending', 'active', 'failed', 'drifted']),
  reason: z.string().optional().describe('What it waits for, or why it failed'),
});

export const issuedCertificate = z.object({
  serialNumber,
  fingerprint: z.string(),
  pem: z.string(),
  chainPem: z.string(),
  notBefore: timestamp,
  notAfter: timestamp,
});

export const renderedPolicy = z.object({
  name: policyName,
  version: z.int(),
  statements: z.array(
    z.object({
      id: z.string(),
      effect: z.enum(['allow', 'deny']),
      actions: z.array(z.string()),
      resources: z.array(z.string()),
      condition: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
  omitted: z.literal(true).optional().describe('Its statements are left out: there are too many to show'),
});

export const links = z.object({ crl: z.url(), ocsp: z.url(), jwks: z.url(), token: z.url(), renew: z.url() });

/** What devices keep, so that another certificate of the server strands none of them. */
export const trust = z
  .string()
  .describe('PEM certificates to believe the server by from now on, in place of those that were given before');

/** What a question to the policies says besides principal, action and resource. */
export const context = z.strictObject({
  sourceIp: z.string().max(256).optional(),
  protocol: z.string().max(64).optional(),
  clientId: z.string().max(65_536).optional(),
  retain: z.union([z.boolean(), z.enum(['true', 'false'])]).optional(),
  qos: z.union([z.number(), z.enum(['0', '1', '2'])]).optional(),
});

/** Of certificates that were not issued here. */
export const outsideLists = z
  .literal(true)
  .optional()
  .describe(
    'Issued elsewhere: no CRL and no OCSP answer of Thingward names it; authorize, introspection, the feed and AWS do',
  );

/** The number of a policy's version, as its column holds it. */
export const versionNumber = z.int().min(1).max(mostInt);

/** A place in the log: `epoch:position`. */
export const logCursor = z.string().regex(cursorForm, 'must be a cursor: epoch:position');

/** `?limit=&cursor=` of every list. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(512).optional(),
});

type Page<Item> = { items: Item[]; nextCursor?: string };

export const page = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().optional() });

/** A page out of one row more than was asked for; `keyOf` the last row shown is what the next page starts after. */
export function pageOf<Row, Item>(
  rows: Row[],
  limit: number,
  keyOf: (row: Row) => string,
  toItem: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const items = shown.map(toItem);
  const last = shown.at(-1);
  return rows.length > limit && last
    ? { items, nextCursor: Buffer.from(keyOf(last)).toString('base64url') }
    : { items };
}

/** The key inside a cursor. @throws DomainError `invalid-request` unless it has the form that the list gives out. */
export function readCursor(cursor: string | undefined, form: RegExp): string | undefined {
  if (cursor === undefined) return undefined;
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!form.test(key)) throw new DomainError('invalid-request', 'cursor: send the nextCursor of this list unchanged');
  return key;
}

export const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function isOrdinary(text: string): boolean {
  const at = Date.parse(text);
  return at >= 0 && at < Date.UTC(10_000, 0);
}
