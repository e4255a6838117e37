import { DomainError } from '../errors.js';

const everyMs = 1000;

/** There is no edge with this id in the account. */
export const noProxy = (id: string): DomainError =>
  new DomainError('not-found', `there is no proxy ${id}: POST /v1/proxies`);

/** Somebody else registered the edge. */
export const otherRegistrant = (): DomainError =>
  new DomainError('forbidden', 'another key registered this proxy, and only that key can report for it');

/** Refuses whoever speaks for an edge with another key than that which registered it. @throws DomainError `not-found`, `forbidden` */
export function requireRegistrant<Proxy extends { keyId: string }>(
  proxy: Proxy | undefined,
  id: string,
  keyId: string,
): asserts proxy is Proxy {
  if (!proxy) throw noProxy(id);
  if (proxy.keyId !== keyId) throw otherRegistrant();
}

/** Refuses an edge that said it holds no sessions. @throws DomainError `invalid-request` */
export function requireSessions({ sessions }: { sessions: boolean }): void {
  if (!sessions)
    throw new DomainError('invalid-request', 'this proxy is registered without sessions: register it with sessions');
}

/** Refuses a second report within a second; `why` says so. @throws DomainError `too-many-requests` */
export function requireRest({ reportedAt }: { reportedAt: Date | null }, at: Date, why: string): void {
  const since = reportedAt ? at.getTime() - reportedAt.getTime() : everyMs;
  // A clock that was put back does not shut an edge out.
  if (since >= 0 && since < everyMs) throw new DomainError('too-many-requests', why, { retryAfter: 1 });
}
