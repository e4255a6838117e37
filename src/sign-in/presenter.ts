import { steppedUpUntil } from '../access/grantee.js';
import { rfc3339 } from '../clock.js';
import type { StoredPerson } from '../people/store.js';
import { presentPerson } from '../representations.js';
import type { ListedPasskey } from './methods/method-store.js';
import { sessionLife } from './sessions/session-cache.js';
import type { StoredSession } from './sessions/session-store.js';

/** A session as its person sees it. */
export function presentSession({ id, methods, createdAt, lastSeenAt, expiresAt, sourceIp, userAgent }: StoredSession) {
  return {
    id,
    methods,
    createdAt: rfc3339(createdAt),
    lastSeenAt: rfc3339(lastSeenAt),
    expiresAt: rfc3339(expiresAt),
    idleExpiresAt: rfc3339(new Date(Math.min(expiresAt.getTime(), lastSeenAt.getTime() + sessionLife.idleMs))),
    ...(sourceIp === null ? {} : { sourceIp }),
    ...(userAgent === null ? {} : { userAgent }),
  };
}

/** Somebody as they see themselves. */
export function presentMe(
  person: StoredPerson,
  session: StoredSession,
  { passkeys, recoveryCodesLeft }: { passkeys: ListedPasskey[]; recoveryCodesLeft: number },
) {
  const until = steppedUpUntil(session);
  return {
    ...presentPerson(person),
    session: { ...presentSession(session), steppedUpUntil: rfc3339(until) },
    passkeys: passkeys.map(({ id, name, createdAt, lastUsedAt }) => ({
      id,
      name,
      createdAt: rfc3339(createdAt),
      ...(lastUsedAt === null ? {} : { lastUsedAt: rfc3339(lastUsedAt) }),
    })),
    recoveryCodesLeft,
  };
}
