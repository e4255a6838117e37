import type { Door, Ledger, Shared } from '../door.js';
import { bulkRoutes } from './bulk/routes.js';
import { createBulkService } from './bulk/service.js';
import { createBulkStore } from './bulk/store.js';
import { createRevocationCount } from './revocation-count.js';
import { revokeRoutes } from './routes.js';
import { createSelfRevocation } from './self-revocation.js';
import { createRevokeService, type RevokeService } from './service.js';

type RouteDeps = Parameters<typeof revokeRoutes>[0];
type SelfDeps = Parameters<typeof createSelfRevocation>[0];
type BulkDeps = Parameters<typeof createBulkService>[0];

type Proof = Parameters<SelfDeps['useUp']>[0];

type Deps = Ledger &
  Pick<Shared, 'failures' | 'onError'> & {
    reader: { cursor(): string; cursorAt(position: number): string };
    tokens: {
      assertions: { verify(proof: string, type: 'revoke+jwt'): Promise<Proof>; useUp(proof: Proof): Promise<void> };
      verifyKeyProof: BulkDeps['verifyProof'];
      recognises: RouteDeps['recognises'];
    };
    inAws: RouteDeps['inAws'];
    findGroup: BulkDeps['findGroup'];
  };

/** Revoking, holding and releasing: one, many, and everything of a thing. */
export function createRevocation(deps: Deps): Door<RevokeService> {
  const { db, commit, clock, audit, log, failures, inAws } = deps;
  const { cursor, cursorAt } = deps.reader;
  const { assertions, verifyKeyProof, recognises } = deps.tokens;
  const service = createRevokeService({ commit, clock, audit, log, cursorAt });
  const revokeSelf = createSelfRevocation({
    verifyProof: (proof) => assertions.verify(proof, 'revoke+jwt'),
    useUp: assertions.useUp,
    revoke: service.revokeSelf,
  });
  const count = createRevocationCount();
  const store = createBulkStore(db, commit);
  const bulk = createBulkService({ ...deps, store, verifyProof: verifyKeyProof });
  return {
    verbs: service,
    routes: [
      revokeRoutes({ service, revokeSelf, failures, recognises, cursor, inAws }),
      bulkRoutes({ service: bulk, cursorAt }),
    ],
    follows: [count.follower],
    metrics: count.metrics,
    chores: [
      // Whoever takes the next thousand holds the row of the bulk revocation.
      { name: 'resume-bulk-revocations', everyMs: 5000, instances: 'one', run: bulk.resume },
      // It holds the rows of the things whose names it frees.
      { name: 'free-names', everyMs: 60_000, instances: 'one', run: service.freeNames },
    ],
    close: bulk.close,
  };
}
