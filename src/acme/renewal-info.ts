import { addSeconds, rfc3339 } from '../clock.js';
import { refusal } from './problem.js';
import type { ThingStore } from './thing-store.js';

// AKI and serial number, each in base64url (RFC 9773 §4.1): those here have 20 octets.
const certIdForm = /^([A-Za-z0-9_-]{27})\.([A-Za-z0-9_-]{27})$/;

/** The issuer and serial number in a certificate's id; undefined for what is none of this server. */
export function serialOfCertId(certId: string): { keyId: string; serialNumber: string } | undefined {
  const [, keyId, serial] = certIdForm.exec(certId) ?? [];
  if (keyId === undefined || serial === undefined) return undefined;
  const [keyIdHex, serialNumber] = [keyId, serial].map((text) => Buffer.from(text, 'base64url').toString('hex'));
  return { keyId: keyIdHex!, serialNumber: serialNumber! };
}

// As the agent of devices does: after two thirds of the life, or up to a twentieth earlier.
const [earliest, latest] = [2 / 3 - 1 / 20, 2 / 3];

/** Returns the function that says when to renew (RFC 9773 §4.2). A revoked certificate should have been renewed already. */
export function createRenewalInfo(things: Pick<ThingStore, 'findDates'>) {
  /** @throws DomainError `malformed` with 404 */
  return async (certId: string) => {
    const named = serialOfCertId(certId);
    const found = named && (await things.findDates(named.serialNumber));
    if (!found || !named.keyId.startsWith(found.issuerId))
      throw refusal('notFound', 'no certificate of this server has this id: see RFC 9773 §4.1');
    const { notBefore, notAfter, revokedAt } = found;
    const at = (part: number): Date =>
      addSeconds(notBefore, Math.floor(((notAfter.getTime() - notBefore.getTime()) / 1000) * part));
    const [start, end] = revokedAt ? [notBefore, addSeconds(notBefore, 1)] : [at(earliest), at(latest)];
    return { suggestedWindow: { start: rfc3339(start), end: rfc3339(end) } };
  };
}
