import type { Decision } from '../policy/compile.js';
import type { Variables } from '../policy/variables.js';
import type { Simulation } from './schema.js';
import type { CarryingThing } from './store.js';

type ImaginedThing = Simulation['requests'][number]['thing'];

/** A thing as the request imagines it; what it leaves out comes from the registry, when there is such a thing. */
export function variablesOf(
  account: string,
  { name, type, attributes, account: other, serialNumber }: ImaginedThing,
  registered: CarryingThing | undefined,
): Variables {
  return {
    account: other ?? account,
    thing: { name, type: type ?? registered?.type, attributes: attributes ?? registered?.attributes ?? {} },
    ...(serialNumber === undefined ? {} : { certificate: { serialNumber } }),
  };
}

/** A decision as previews show it. */
export function outcomeOf({ allowed, reason, statement }: Decision): { decision: 'allow' | 'deny'; reasons: string[] } {
  return { decision: allowed ? 'allow' : 'deny', reasons: [statement?.id ?? reason] };
}
