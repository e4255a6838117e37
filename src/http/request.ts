import type { FastifyRequest } from 'fastify';
import type { EnrollmentCaller, ThingCaller } from '../access/caller.js';
import type { Grantee } from '../access/grantee.js';
import type { Origin } from '../origin.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** What was denied to a device and why, for the line of the request in the log; null while nothing was. */
    denial: Record<string, string> | null;
  }
}

/** Who is behind a request whose route asks for a permission. */
export function grantee({ caller }: FastifyRequest): Grantee {
  if (caller?.kind !== 'grantee') throw new Error('the route asks for no permission');
  return caller;
}

/** The enrollment token behind a request whose route asks for one. */
export function enrollmentCaller({ caller }: FastifyRequest): EnrollmentCaller {
  if (caller?.kind !== 'enrollment') throw new Error('the route admits no enrollment tokens');
  return caller;
}

/** The device behind a request whose route asks for an access token. */
export function thingCaller({ caller }: FastifyRequest): ThingCaller {
  if (caller?.kind !== 'thing') throw new Error('the route admits no access tokens');
  return caller;
}

/** Who to name in the audit for this request. */
export function originOf({ caller, id, ip, headers, witness }: FastifyRequest): Origin {
  return { actor: caller?.actor ?? 'anonymous', requestId: id, sourceIp: ip, ifMatch: headers['if-match'], witness };
}
