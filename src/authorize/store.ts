import { sql, type Database } from '../db/client.js';
import type { RegisteredPrincipal } from './rights.js';

/** A thing on a page, perhaps without a certificate. */
type ListedPrincipal = RegisteredPrincipal | { name: string; fingerprint: null };

/** What answers are made of. */
export type PrincipalStore = Pick<ReturnType<typeof createPrincipalStore>, 'byFingerprint' | 'byName' | 'page'>;

/** Reads things and their certificates as principals. */
export function createPrincipalStore(db: Database) {
  const columns = sql`
    t.id AS "thingId", t.account_name AS account, COALESCE(t.former_name, t.name) AS name, t.thing_type AS type, t.attributes, t.policies, t.segment, t.status,
    c.fingerprint, c.serial_number AS "serialNumber", c.not_after AS "notAfter", c.reason`;

  const otherRevoked = (at: Date) => sql`EXISTS (
            SELECT 1 FROM certificates o JOIN things ot ON ot.id = o.thing_id
            WHERE ot.account_name = t.account_name AND (ot.name = t.name OR ot.former_name = t.name) AND o.serial_number <> c.serial_number AND o.not_after > ${at} AND o.reason <> 'superseded'
          ) AS "otherRevoked"`;

  return {
    /** Who holds the certificate of this fingerprint. */
    async byFingerprint(fingerprint: string): Promise<RegisteredPrincipal | undefined> {
      const [row] = await db.$queryRaw<RegisteredPrincipal[]>(sql`
        SELECT ${columns}, false AS "otherRevoked" FROM certificates c JOIN things t ON t.id = c.thing_id
        WHERE c.fingerprint = ${fingerprint}`);
      return row;
    },

    /** A thing with its newest certificate. */
    async byName(account: string, name: string, at: Date): Promise<RegisteredPrincipal | undefined> {
      const [row] = await db.$queryRaw<RegisteredPrincipal[]>(sql`
        SELECT ${columns}, ${otherRevoked(at)}
        FROM things t JOIN certificates c ON c.thing_id = t.id
        WHERE t.account_name = ${account} AND t.name = ${name}
        ORDER BY c.created_at DESC, c.serial_number LIMIT 1`);
      return row;
    },

    /** Whether an account has a thing of this name, with a certificate or without. */
    async hasThing(account: string, name: string): Promise<boolean> {
      const rows = await db.$queryRaw<object[]>(sql`
        SELECT 1 FROM things WHERE account_name = ${account} AND name = ${name} AND former_name IS NULL`);
      return rows.length > 0;
    },

    /** The things of an account after a name, each with its newest certificate. */
    page: (account: string, after: string, limit: number, at: Date): Promise<ListedPrincipal[]> =>
      db.$queryRaw<ListedPrincipal[]>(sql`
        SELECT ${columns}, ${otherRevoked(at)}
        FROM (
          SELECT * FROM things WHERE account_name = ${account} AND former_name IS NULL AND name > ${after} ORDER BY name LIMIT ${limit}
        ) t LEFT JOIN LATERAL (
          SELECT * FROM certificates WHERE thing_id = t.id ORDER BY created_at DESC, serial_number LIMIT 1
        ) c ON true
        ORDER BY t.name`),
  };
}
