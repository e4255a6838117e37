import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { isWithinAny } from '../../address.js';
import { DomainError } from '../../errors.js';
import { decodeBase64, PemError } from '../../pki/pem.js';

/** What the connection of a request proves. */
export type Channel = {
  /** DER of the certificate whose key the client used in the handshake; the dates and the issuer are not judged. */
  certificate: Buffer | undefined;
  /** Those that came behind it, each of whoever signed the one before. */
  behind: Buffer[];
  /** What a challengePassword has to be on this connection; undefined where nothing can bind a request to it. */
  binding: string | undefined;
};

/**
 * Reads what TLS says of a client. A proxy in `proxies` says it in `Client-Cert` (RFC 9440 §2.2); from anybody else that
 * header counts for nothing. @throws DomainError `bad-certificate`
 */
export function readChannel({ raw }: FastifyRequest, proxies: readonly string[]): Channel {
  const socket = raw.socket as Partial<TLSSocket>;
  if (proxies.length > 0 && isWithinAny(socket.remoteAddress ?? '', [...proxies]))
    return {
      certificate: fromProxy(raw.headersDistinct['client-cert']),
      behind: chainOf(raw.headersDistinct['client-cert-chain']),
      binding: undefined,
    };
  if (!isTls(socket)) return { certificate: undefined, behind: [], binding: undefined };
  const [certificate, ...behind] = chainShown(socket);
  return { certificate, behind, binding: bindingOf(socket) };
}

const isTls = (socket: Partial<TLSSocket>): socket is TLSSocket => socket.getPeerCertificate !== undefined;

const mostBehind = 8;

/**
 * The certificate of a client, and what it sent behind, as far as each signed the one before. HAZARD: getPeerX509Certificate takes the chain away from
 * whoever asks the same connection next (Node 20).
 */
function chainShown(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let next = socket.getPeerCertificate(true) as Partial<DetailedPeerCertificate> | undefined;
  while (next?.raw && chain.length <= mostBehind) {
    chain.push(next.raw);
    // One that signed itself is its own issuer here.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}

/** A list of byte sequences (RFC 9440 §2.3), which a proxy may leave out. */
function chainOf(values: string[] = []): Buffer[] {
  const items = values.flatMap((value) => value.split(',', mostBehind + 1)).slice(0, mostBehind);
  return items.flatMap((item) => fromProxy([item]) ?? []);
}

/** A byte sequence of RFC 8941 §3.3.5, exactly one. */
function fromProxy(values: string[] | undefined): Buffer | undefined {
  if (values === undefined) return undefined;
  const [value = '', ...others] = values;
  const base64 = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(value.trim())?.[1];
  try {
    if (base64 !== undefined && others.length === 0) return decodeBase64(base64);
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
  }
  throw new DomainError(
    'invalid-request',
    'Client-Cert is not one certificate between colons (RFC 9440): the proxy has to set it, and to remove what clients send',
  );
}

const label = 'EXPORTER-Channel-Binding';

/** tls-unique of a full handshake of TLS 1.2 (RFC 5929 §3), tls-exporter of TLS 1.3 (RFC 9266 §4), in base64. */
function bindingOf(socket: TLSSocket): string | undefined {
  // Sessions are never resumed here; the first Finished of one that was would be the server's.
  if (socket.isSessionReused()) return undefined;
  if (socket.getProtocol() === 'TLSv1.3')
    return socket.exportKeyingMaterial(32, label, Buffer.alloc(0)).toString('base64');
  return socket.getPeerFinished()?.toString('base64');
}
