import type { z } from 'zod';
import { rfc3339 } from '../clock.js';
import type { issuer } from './schema.js';
import type { StoredIssuer } from './stored.js';

type Shown = z.output<typeof issuer>;

/** An authority as the API shows it. `crl` is where its list is, and `listEnds` when the one that was imported ends. */
export function presentIssuer(stored: StoredIssuer, crl: string, listEnds: Date | undefined): Shown {
  const { id, status, keyPlace, parentId } = stored;
  const { listSuperseded, shards, deltaList, distributionPoint, listMaxAge } = stored;
  return {
    id,
    kind: stored.intermediate ? 'intermediate' : stored.kind,
    status,
    keyPlace,
    ...(parentId === null ? {} : { parent: parentId }),
    ...datesOf(stored),
    ...(listEnds ? { listEnds: rfc3339(listEnds) } : {}),
    crl,
    listSuperseded,
    shards,
    deltaList,
    distributionPoint,
    listMaxAge,
  };
}

type Dates = Pick<Shown, 'notBefore' | 'notAfter' | 'activatedAt' | 'retiredAt'>;

function datesOf({ status, notBefore, notAfter, activatedAt, retiredAt }: StoredIssuer): Dates {
  return {
    ...(status === 'waiting' ? {} : { notBefore: rfc3339(notBefore), notAfter: rfc3339(notAfter) }),
    ...(activatedAt ? { activatedAt: rfc3339(activatedAt) } : {}),
    ...(retiredAt ? { retiredAt: rfc3339(retiredAt) } : {}),
  };
}
