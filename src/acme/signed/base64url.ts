import { refusal } from '../problem.js';

/** The octets of canonical base64url (RFC 7515 §2, RFC 4648 §3.5). @throws DomainError `malformed`, which names `what` */
export function decodeBase64url(text: unknown, what: string): Buffer {
  if (typeof text === 'string') {
    const octets = Buffer.from(text, 'base64url');
    if (octets.toString('base64url') === text) return octets;
  }
  throw refusal('malformed', `${what} is not base64url without padding: encode it again`);
}
