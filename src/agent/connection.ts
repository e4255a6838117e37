import { X509Certificate } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { BlockList, isIP } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { readPem } from '../pki/pem.js';
import { AgentError } from './errors.js';

/** A request of the agent. Bodies are JSON. */
export type Request = { method: 'GET' | 'POST'; headers?: Record<string, string>; body?: string };

/** The answer to a {@link Request}. */
export type Response = { status: number; body: string };

/** PEM certificates to trust instead of the system's; with them a wrong clock does not matter. */
export type Trust = {
  ca?: string | undefined;
  /** The system's certificates will do too. */
  orSystem?: boolean;
};

const timeoutMs = 30_000;
const dateErrors = new Set(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']);
const distrustErrors = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
]);
const serverAuth = '1.3.6.1.5.5.7.3.1';

/** Sends one request. Plain http only to this machine; https by the pinned CA, or the system's. @throws AgentError */
export async function send(url: URL, request: Request, { ca, orSystem = false }: Trust): Promise<Response> {
  if (url.protocol === 'http:') {
    if (!isLoopback(url.hostname))
      throw new AgentError(`${url.origin} is not this machine: use https, or the secrets would travel unencrypted`);
    return exchange(http.request(url, { ...request, timeout: timeoutMs }), request.body);
  }
  try {
    return await exchange(
      https.request(url, { ...request, timeout: timeoutMs, ...(ca === undefined ? {} : { ca }) }),
      request.body,
    );
  } catch (error) {
    // The handshake failed: nothing was sent yet.
    if (orSystem && distrustErrors.has((error as NodeJS.ErrnoException).code ?? '')) return send(url, request, {});
    if (!dateErrors.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    if (ca === undefined)
      throw new AgentError(
        'the date of the server certificate does not match the clock of this machine: set the clock, or pin the CA with --ca FILE',
      );
    const socket = await connectForgivingDates(url, ca);
    return exchange(
      https.request(url, { ...request, timeout: timeoutMs, ca, createConnection: () => socket }),
      request.body,
    );
  }
}

function exchange(request: http.ClientRequest, body: string | undefined): Promise<Response> {
  return new Promise((resolve, reject) => {
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(tooLate()));
    request.on('error', reject);
    request.end(body);
  });
}

/** A TLS connection whose certificate is right in everything but its dates, checked before a byte is sent. */
async function connectForgivingDates(url: URL, ca: string): Promise<TLSSocket> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const servername = isIP(host) ? {} : { servername: host };
  const anchors = readAnchors(ca);
  return new Promise((resolve, reject) => {
    // OpenSSL tells only the last of several faults, so none of its verdict is used: the chain is walked below.
    const socket = tls.connect(
      { host, port: Number(url.port || 443), ...servername, rejectUnauthorized: false },
      () => {
        if (isIssuedBy(socket.getPeerX509Certificate(), anchors, host)) return resolve(socket);
        socket.destroy();
        reject(new AgentError('the server certificate was not issued by the pinned CA for this name'));
      },
    );
    socket.setTimeout(timeoutMs, () => socket.destroy(tooLate()));
    socket.on('error', reject);
  });
}

/** Whether `leaf` names the host, may serve, and leads by valid signatures to one of the pinned certificates. */
export function isIssuedBy(leaf: X509Certificate | undefined, pinned: X509Certificate[], host: string): boolean {
  const named = isIP(host) ? leaf?.checkIP(host) : leaf?.checkHost(host);
  if (!leaf || named === undefined) return false;
  // What Node calls keyUsage is the extended one.
  if (leaf.keyUsage && !leaf.keyUsage.includes(serverAuth)) return false;
  let current = leaf;
  for (let depth = 0; depth < 8; depth++) {
    const certificate = current;
    if (pinned.some((anchor) => anchor.raw.equals(certificate.raw) || signed(certificate, anchor))) return true;
    const issuer = certificate.issuerCertificate;
    if (!issuer || issuer.raw.equals(certificate.raw) || !signed(certificate, issuer)) return false;
    current = issuer;
  }
  return false;
}

function signed(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function readAnchors(text: string): X509Certificate[] {
  const certificates = readPem(text).filter(({ label }) => label === 'CERTIFICATE');
  return certificates.map((block) => new X509Certificate(block.der));
}

const tooLate = (): Error => Object.assign(new Error('the server took too long'), { code: 'ETIMEDOUT' });

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost') return true;
  const version = isIP(host);
  return version !== 0 && loopback.check(host, version === 4 ? 'ipv4' : 'ipv6');
}
