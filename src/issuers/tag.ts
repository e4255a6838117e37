import { etagOf } from '../api/etag.js';
import type { StoredIssuer } from './stored.js';

/** The ETag of an issuer: of its settings, and of where in its life it is. */
export function issuerTag({
  id,
  status,
  listSuperseded,
  shards,
  deltaList,
  distributionPoint,
  listMaxAge,
}: StoredIssuer): string {
  return etagOf('issuer', id, listSuperseded, shards, deltaList, distributionPoint, listMaxAge, status);
}
