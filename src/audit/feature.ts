import type { Database } from '../db/client.js';
import type { Door } from '../door.js';
import { auditRoutes } from './routes.js';
import { appendAudit, createAuditStore, type AppendAudit } from './store.js';

/** What was done, by whom. */
export function createAudit(db: Database): Door<{ append: AppendAudit }> {
  return { verbs: { append: appendAudit }, routes: [auditRoutes(createAuditStore(db))] };
}
