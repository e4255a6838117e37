import type { PersonKeys } from '../api-keys/person-keys.js';
import type { Door, Shared } from '../door.js';
import type { SendMail } from '../outbound/mail.js';
import { personRoutes } from './routes.js';
import { createPersonService, type PersonService } from './service.js';
import { createPersonStore, type PersonStore } from './store.js';

type Deps = Pick<Shared, 'db' | 'commit' | 'clock' | 'audit' | 'log' | 'reader'> & {
  endKeys: PersonKeys['end'];
  /** What people open to use the token of a link. */
  linkOf(token: string): string;
  /** Absent where the operator named no mail server. */
  mail?: SendMail | undefined;
};

/** The people of accounts: who they are, and what they may do. How they sign in belongs to another room. */
export function createPeople(deps: Deps): Door<{ service: PersonService; store: PersonStore }> {
  const store = createPersonStore(deps.db);
  const service = createPersonService({ ...deps, store, commitAddition: deps.reader.commitAddition });
  return { verbs: { service, store }, routes: [personRoutes(service)] };
}
