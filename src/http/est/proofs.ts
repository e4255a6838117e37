import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { parseUnique } from '../../pki/strict-json.js';
import { showsInHead } from '../credentials.js';

/** What a device proves a certificate of its manufacturer by, beside the connection: a JWT as bearer, or as `proof` in the body. */
export function proofOf(request: FastifyRequest): string | undefined {
  const { body } = request;
  const inBody = typeof body === 'object' && body !== null && 'proof' in body ? body.proof : undefined;
  return proofInHead(request) ?? (typeof inBody === 'string' ? inBody : undefined);
}

/** Whether the head of a request shows a credential that is no such proof. */
export const showsToken = (request: FastifyRequest): boolean =>
  showsInHead(request) && proofInHead(request) === undefined;

/** Whether there is anything to judge: a JWT, or a certificate that the connection or a proxy shows. */
export function hasProof(request: FastifyRequest): boolean {
  const { raw, headers } = request;
  if (proofOf(request) !== undefined || headers['client-cert'] !== undefined) return true;
  const shown = (raw.socket as Partial<TLSSocket>).getPeerCertificate?.() as Partial<PeerCertificate> | undefined;
  return shown?.raw !== undefined;
}

/** A bearer whose header says provision+jwt; access tokens are JWTs too. */
function proofInHead({ headers }: FastifyRequest): string | undefined {
  const jwt = /^bearer +([A-Za-z0-9._-]+)$/i.exec(headers.authorization ?? '')?.[1];
  if (jwt === undefined || !jwt.startsWith('eyJ')) return undefined;
  try {
    const header = parseUnique(Buffer.from(jwt.split('.', 1)[0]!, 'base64url').toString('utf8')) as { typ?: unknown };
    return header.typ === 'provision+jwt' ? jwt : undefined;
  } catch {
    return undefined;
  }
}
