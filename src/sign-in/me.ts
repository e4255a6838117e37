import type { Session } from '../access/grantee.js';
import { hashCredential } from '../access/credentials.js';
import { DomainError } from '../errors.js';
import type { PersonStore } from '../people/store.js';
import type { MethodStore } from './methods/method-store.js';
import { presentMe } from './presenter.js';
import type { SessionStore, StoredSession } from './sessions/session-store.js';

type Deps = {
  people: Pick<PersonStore, 'findById'>;
  methods: Pick<MethodStore, 'passkeysOf' | 'countRecoveryCodes'>;
  sessions: Pick<SessionStore, 'find' | 'findByHash'>;
};

export type Me = ReturnType<typeof createMe>;

/** What people who are signed in see of themselves. */
export function createMe({ people, methods, sessions }: Deps) {
  const describe = async (session: StoredSession | undefined) => {
    const person = session && (await people.findById(session.personId));
    if (!person) throw new DomainError('invalid-credential', 'the session has ended: sign in again');
    const passkeys = await methods.passkeysOf(person.id);
    const recoveryCodesLeft = await methods.countRecoveryCodes(person.id);
    return presentMe(person, session, { passkeys, recoveryCodesLeft });
  };

  return {
    /** @throws DomainError `invalid-credential` for a session that has ended */
    ofSession: async ({ id }: Session) => describe(await sessions.find(id)),

    /** The same, by what the cookie holds. @throws DomainError `invalid-credential` */
    ofToken: async (token: string) => describe(await sessions.findByHash(hashCredential(token))),
  };
}
