import { sql, type Transaction } from '../db/client.js';

/** The names of attributes of things `t` that the device could have set, and no operator has set since. */
export const deviceAttributes = sql`COALESCE(t.device_attributes, (
  SELECT ARRAY(SELECT n FROM unnest(e.device_attributes) n WHERE (e.attributes ->> n) IS NULL) FROM enrollments e WHERE e.id = t.enrollment_id), '{}')`;

/** Notes that an operator has set attributes of things: from now on they are not the device's word. */
export async function noteSetByOperator(tx: Transaction, ids: string[], names: string[]): Promise<void> {
  await tx.$executeRaw(sql`
    UPDATE things t SET device_attributes = ARRAY(SELECT n FROM unnest(${deviceAttributes}) n WHERE n <> ALL(${names}::text[]))
    WHERE t.id = ANY(${ids}::uuid[]) AND ${deviceAttributes} && ${names}::text[]`);
}

/** A thing that comes back has the attributes of the one before, and from the same source. */
export async function inheritDeviceAttributes(tx: Transaction, to: string, from: string): Promise<void> {
  await tx.$executeRaw(sql`
    UPDATE things n SET device_attributes = (SELECT ${deviceAttributes} FROM things t WHERE t.id = ${from}::uuid) WHERE n.id = ${to}::uuid`);
}
