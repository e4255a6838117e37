import { hash } from 'node:crypto';
import { DomainError } from '../errors.js';
import { PemError, readCertificate } from '../pki/pem.js';
import type { Context } from '../policy/condition.js';

/** Who is asked about: by one credential, and for a token the certificate that it came with. */
export type PrincipalForm = {
  token?: string | undefined;
  /** SHA-256 of the DER in hex, of any case, with or without colons. */
  fingerprint?: string | undefined;
  certificatePem?: string | undefined;
  thingName?: string | undefined;
};

/** "May this device do that now?" */
export type Question = {
  principal: PrincipalForm;
  action: string;
  resource: string;
  context?: Context | undefined;
  /** With `receive`: the resource is a filter, and every topic of it is asked about. Only edges ask so. */
  whole?: boolean | undefined;
  /** The place in the log that the answer has to know of. */
  atLeast?: string | undefined;
};

/**
 * The fingerprint of the certificate that came with a request, in lower-case hex. Nothing inside a PEM is believed.
 * @throws DomainError `invalid-request` when the certificate cannot be read: a quiet deny would look like a decision
 */
export function presentedFingerprint({ fingerprint, certificatePem }: PrincipalForm): string | undefined {
  if (fingerprint !== undefined)
    return fingerprint.length === 64 ? fingerprint.toLowerCase() : fingerprint.replaceAll(':', '').toLowerCase();
  return certificatePem === undefined ? undefined : hash('sha256', certificateIn(certificatePem));
}

function certificateIn(text: string): Buffer {
  try {
    return readCertificate(text);
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    throw new DomainError(
      'invalid-request',
      `principal.certificatePem: ${error.message}; send the certificate as PEM, percent-encoded PEM, or its DER in base64`,
    );
  }
}
