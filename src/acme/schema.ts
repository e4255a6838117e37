import { z } from 'zod';
import { refusal } from './problem.js';

// Members that are not known are ignored (RFC 8555 §5); the size of the body bounds them.

const mostContacts = 10;
const contact = z.array(z.string().max(320)).max(mostContacts);

/** newAccount (RFC 8555 §7.3). */
export const newAccount = z.object({
  contact: contact.optional(),
  onlyReturnExisting: z.boolean().optional(),
  externalAccountBinding: z.unknown().optional(),
});

/** What may change of an account (RFC 8555 §7.3.2, §7.3.6). */
export const accountUpdate = z.object({ contact: contact.optional(), status: z.string().max(32).optional() });

/** The inner payload of keyChange (RFC 8555 §7.3.5). */
export const keyChange = z.object({ account: z.string().max(2048), oldKey: z.unknown() });

/** newOrder (RFC 8555 §7.4, RFC 9773 §5). */
export const newOrder = z.object({
  identifiers: z
    .array(z.object({ type: z.string().max(64), value: z.string().max(512) }))
    .min(1)
    .max(100),
  notBefore: z.unknown().optional(),
  notAfter: z.unknown().optional(),
  replaces: z.string().max(256).optional(),
});

/** finalize (RFC 8555 §7.4). */
export const finalize = z.object({ csr: z.string().max(32_768) });

/** What may change of an authorization (RFC 8555 §7.5.2). */
export const authorizationUpdate = z.object({ status: z.literal('deactivated') });

/** revokeCert (RFC 8555 §7.6). */
export const revokeCert = z.object({ certificate: z.string().max(32_768), reason: z.int().optional() });

/** A payload in its shape. @throws DomainError `malformed` */
export function shaped<Shape extends z.ZodType>(shape: Shape, payload: unknown): z.output<Shape> {
  const { success, data, error } = shape.safeParse(payload);
  if (success) return data;
  const { path, message } = error.issues[0]!;
  throw refusal('malformed', `payload ${path.join('.')}: ${message}; see RFC 8555 §7`);
}
