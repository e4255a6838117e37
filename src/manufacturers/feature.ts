import type { Config } from '../config.js';
import type { Door, Ledger, Shared } from '../door.js';
import { createProofReader } from './assertion.js';
import { createManufacturerService, type ManufacturerService } from './service.js';
import { createManufacturerStore } from './store.js';

type ServiceDeps = Parameters<typeof createManufacturerService>[0];

type Deps = Ledger &
  Pick<Shared, 'sealer'> &
  Pick<ServiceDeps, 'useOnce' | 'enrollments'> & { config: Pick<Config, 'publicUrl'> };

/** Devices that come with a certificate of their manufacturer. */
export function createManufacturers(deps: Deps): Door<ManufacturerService> {
  const store = createManufacturerStore(deps.db);
  const readProof = createProofReader({ clock: deps.clock, issuer: deps.config.publicUrl });
  return { verbs: createManufacturerService({ ...deps, store, readProof }), routes: [] };
}
