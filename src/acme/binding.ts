import { createHmac } from 'node:crypto';
import type { Sealer } from '../sealing.js';

/** What binds an account of ACME to an enrollment: an id, and a key in base64url (RFC 8555 §7.3.4). */
export type ExternalBinding = { kid: string; hmacKey: string };

/** Returns the function that derives the binding of an enrollment. Nothing is stored: the sealing key and the id decide it. */
export function createBinding(sealer: Pick<Sealer, 'derive'>) {
  const secret = sealer.derive('acme external account binding');
  return (enrollmentId: string): ExternalBinding => ({
    kid: enrollmentId,
    hmacKey: createHmac('sha256', secret).update(enrollmentId).digest('base64url'),
  });
}
