import { sql } from '../../db/client.js';

/** Nobody is at it. A claim of more than minutes was made by a clock that was ahead, and holds nothing. */
export const isFree = (at: Date) =>
  sql`(claimed_until IS NULL OR claimed_until <= ${at} OR claimed_until > ${at}::timestamptz + interval '5 minutes')`;
