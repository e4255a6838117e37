import type { PersonKeys } from '../../api-keys/person-keys.js';
import type { AppendAudit } from '../../audit/store.js';
import { addSeconds, type Clock } from '../../clock.js';
import type { Commit } from '../../db/client.js';
import { DomainError } from '../../errors.js';
import type { AppendLog } from '../../log/append.js';
import { personEntry } from '../../log/builders.js';
import { sealedAs, type Sealer } from '../../sealing.js';
import type { SessionStore } from '../sessions/session-store.js';
import { vouching } from './arrivals.js';
import { requireRole } from './claims.js';
import type { OidcClients } from './clients.js';
import type { ProviderStore, VouchedSession } from './provider-store.js';

type Deps = {
  store: ProviderStore;
  sessionStore: Pick<SessionStore, 'end'>;
  clients: Pick<OidcClients, 'again'>;
  keys: Pick<PersonKeys, 'end'>;
  sealer: Sealer;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
};

const atOnce = 50;
const retrySeconds = 300;

/**
 * Asks providers whether the people that they let in are still there. Who left is signed out; where a provider does not answer, its word
 * ends an hour after it was last given, and the sessions with it.
 */
export function createRecheck({ store, sessionStore, clients, keys, sealer, commit, clock, audit, log }: Deps) {
  const end = ({ id, personId, account, providerId }: VouchedSession, why: string): Promise<void> =>
    commit(async (tx) => {
      if (!(await sessionStore.end(tx, personId, id))) return;
      const at = clock();
      const origin = { actor: `provider:${providerId}` };
      const detail = { session: id, by: why };
      await audit(tx, { at, account, origin, action: 'person.sign-out', target: `person:${personId}`, detail });
      const ended = await keys.end(tx, account, [personId], origin);
      await log(tx, at, [personEntry(account, personId, id), ...ended]);
    });

  const check = async (session: VouchedSession): Promise<void> => {
    const provider = await store.find(session.providerId);
    if (!provider) return;
    const context = sealedAs.providerRefresh(provider.id);
    try {
      const refreshToken = sealer.open(session.refreshSealed, context).toString('utf8');
      const { claims, refreshToken: next } = await clients.again(provider, refreshToken, session.subject);
      requireRole(
        { acr: provider.settings.requiredAcr[0], amr: provider.settings.requiredAmr, ...claims },
        provider.settings,
      );
      const at = clock();
      await store.vouch(session.id, {
        refreshSealed: sealer.seal(Buffer.from(next!), context),
        vouchedUntil: addSeconds(at, vouching.seconds),
        recheckAt: addSeconds(at, vouching.recheckSeconds),
      });
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      if (error.code === 'sign-in-refused') await end(session, error.message);
    }
  };

  return async (): Promise<void> => {
    const at = clock();
    for (let claimed = atOnce; claimed === atOnce;) {
      const sessions = await store.claim(at, addSeconds(at, retrySeconds), atOnce);
      claimed = sessions.length;
      for (const session of sessions) await check(session);
    }
  };
}
