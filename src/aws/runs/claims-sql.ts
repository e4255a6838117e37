import { sql } from '../../db/client.js';

/** Unclaimed. A claim of more than minutes comes from a clock that was ahead, and holds nothing. */
export const isFree = (at: Date) =>
  sql`(claimed_until IS NULL OR claimed_until <= ${at} OR claimed_until > ${at}::timestamptz + interval '5 minutes')`;
