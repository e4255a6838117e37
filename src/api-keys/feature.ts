import type { Door, Shared } from '../door.js';
import { createKeyCache } from './cache.js';
import { createPersonKeys, type PersonKeys } from './person-keys.js';
import { apiKeyRoutes } from './routes.js';
import { createApiKeyService, type ApiKeyService } from './service.js';
import { createApiKeyStore, type ApiKeyStore } from './store.js';

/** API keys: who holds one, and what it may do. */
export function createApiKeys({
  db,
  commit,
  clock,
  audit,
  log,
  reader,
}: Shared): Door<ApiKeyService & { ofPeople: PersonKeys; hold: ApiKeyStore['hold'] }> {
  const { commitAddition, mayAnswer } = reader;
  const store = createApiKeyStore(db);
  const cache = createKeyCache({ load: store.findByHash, mayRemember: mayAnswer });
  const service = createApiKeyService({ store, cache, commit, commitAddition, clock, audit, log });
  const ofPeople = createPersonKeys({ store, clock, audit });
  return { verbs: { ...service, ofPeople, hold: store.hold }, routes: [apiKeyRoutes(service)], follows: [cache] };
}
