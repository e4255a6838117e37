import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions, type TlsOptions, type TLSSocket } from 'node:tls';
import type { Barred, Gate, Guest } from '../gate.js';
import { EdgeConfigError, readTextFile } from '../settings/config.js';

/** Whether a listener asks for client certificates. */
export type ClientCertificates = 'required' | 'optional' | 'none';

/** Who a TLS client is, by its certificate. */
export type TlsIdentity = { fingerprint: string | undefined; guest: Guest | undefined };

/**
 * Judges the certificate that a client showed, also in a session that was resumed. Node was told to accept every
 * certificate, because it judges dates by the clock of this machine and stops at the first error: the certificate counts
 * only if an issuer of the account signed it and the control plane knows it as valid. Whether an unknown certificate is
 * valid cannot be decided while the control plane is away; then the protocol says so to the client.
 */
export async function identifyTls(
  socket: TLSSocket,
  asked: ClientCertificates,
  gate: Pick<Gate, 'isIssued' | 'identify'>,
): Promise<TlsIdentity | Barred> {
  // Renegotiation could bring another certificate after this one was judged.
  socket.disableRenegotiation();
  const certificate = asked === 'none' ? undefined : socket.getPeerX509Certificate();
  if (!certificate)
    return asked === 'required'
      ? barred('unknown-principal', 'no client certificate was shown')
      : { fingerprint: undefined, guest: undefined };
  if (!gate.isIssued(certificate.raw))
    return barred('unknown-principal', 'the client certificate was not signed by an issuer of this account');
  const fingerprint = hash('sha256', certificate.raw);
  const found = await gate.identify({ fingerprint, withoutCertificates: false });
  if (!('barred' in found)) return { fingerprint, guest: found };
  return found.barred === 'away' || found.barred === 'refused' ? { fingerprint, guest: undefined } : found;
}

const barred = (reason: Barred['barred'], detail: string): Barred => ({ barred: reason, detail });

/** What a TLS listener speaks. HTTP/2 has its own framing, and is not offered. */
export function tlsOptions(asked: ClientCertificates, alpn: string[], handshakeTimeout: number): TlsOptions {
  return {
    requestCert: asked !== 'none',
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ALPNProtocols: alpn,
    handshakeTimeout,
  };
}

/** The certificate and key of a listener, which belong together. @throws EdgeConfigError */
export function readKeyPair({ certFile, keyFile }: { certFile: string; keyFile: string }): SecureContextOptions {
  const pair = { cert: readTextFile(certFile, 'a certificate'), key: readTextFile(keyFile, 'its key') };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new EdgeConfigError(`${certFile} and ${keyFile} cannot be used: ${(error as Error).message}`);
  }
  return pair;
}

/** The authorities of an upstream, or undefined for those of this program. @throws EdgeConfigError */
export function readAuthorities(caFile: string | undefined): Buffer | undefined {
  if (caFile === undefined) return undefined;
  readTextFile(caFile, 'authorities of an upstream');
  return readFileSync(caFile);
}
