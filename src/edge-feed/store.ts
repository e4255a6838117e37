import type { JsonWebKey } from 'node:crypto';
import { sql, type Database, type Transaction } from '../db/client.js';
import type { ActivePipeline } from '../log/edge-view.js';
import { parseEntry, type LogEntry } from '../log/entries.js';
import { readHead } from '../log/head.js';
import { entryColumns } from '../log/reader.js';
import type { PolicyVersion } from '../policy/compile.js';

/** A segment, as far as decisions need it. */
export type EdgeSegment = { name: string; cidr: string; allowedProtocols: string[]; trafficPolicy: object };

/** What an account is called, whether it is suspended, and its settings. */
export type EdgeAccount = { name: string; status: string; timeZone: string; clientIdForm: string };

/** A public key of access tokens that has not retired. */
export type EdgeTokenKey = { kid: string; algorithm: string; publicJwk: JsonWebKey | null; retiresAt: Date | null };

/** A certificate with its thing, as the registry has them. */
export type EdgePrincipal = {
  fingerprint: string;
  thingName: string;
  thingId: string;
  type: string | null;
  attributes: Record<string, string>;
  policies: string[];
  segment: string | null;
  status: string;
  gen: number;
  serialNumber: string;
  notAfter: Date;
  reason: string | null;
  /** Of a certificate with a reason: whether the thing has another one that is valid, or held; null without a reason. */
  otherLive: boolean | null;
};

/** A thing of a name, with the certificate of it that is valid longest. */
export type EdgeThing = Omit<EdgePrincipal, 'fingerprint' | 'serialNumber' | 'notAfter' | 'reason' | 'otherLive'> & {
  serialNumber: string | null;
  notAfter: Date | null;
  /** It has a certificate that is neither revoked, held nor expired. */
  live: boolean;
  /** The place in the log at which one of its certificates was revoked or held last. */
  revoked: number | null;
};

/** Rows of a part of a snapshot, and whether they are the last of it. */
export type Part<Row> = { rows: Row[]; more: boolean };

/** One instant of an account. */
export type Instant = ReturnType<typeof instantOf>;

export type EdgeStore = ReturnType<typeof createEdgeStore>;

// Documents are long: of few large ones a page holds few.
const documentBytesOfPage = 1024 * 1024;

/** What edges keep in memory, as the database has it. */
export function createEdgeStore(db: Database, rowsOfPage = 1000) {
  return {
    /** Reads parts of an account at one instant. */
    atOnce: <Result>(account: string, read: (instant: Instant) => Promise<Result>): Promise<Result> =>
      db.$transaction((tx) => read(instantOf(tx, account, rowsOfPage)), { isolationLevel: 'RepeatableRead' }),

    /** The holders of certificates, of one account. */
    principals: (account: string, fingerprints: string[], at: Date): Promise<EdgePrincipal[]> =>
      db.$queryRaw<EdgePrincipal[]>(sql`
        SELECT c.fingerprint, COALESCE(t.former_name, t.name) AS "thingName", t.id AS "thingId", t.thing_type AS type,
          t.attributes, t.policies, t.segment, t.status, t.gen, c.serial_number AS "serialNumber", c.not_after AS "notAfter", c.reason,
          CASE WHEN c.reason IS NULL THEN NULL ELSE EXISTS (
            SELECT 1 FROM certificates o WHERE o.thing_id = t.id AND o.serial_number <> c.serial_number AND o.not_after > ${at}
              AND (o.reason IS NULL OR o.reason = 'certificateHold')
          ) END AS "otherLive"
        FROM certificates c JOIN things t ON t.id = c.thing_id
        WHERE c.account_name = ${account} AND c.fingerprint = ANY(${fingerprints})`),

    /** The things of these names, of one account: of those that are deleted too, where no other has the name. */
    things: (account: string, names: string[], at: Date): Promise<EdgeThing[]> =>
      db.$queryRaw<EdgeThing[]>(sql`${thingsAt(at)} WHERE t.account_name = ${account} AND t.name = ANY(${names})
        UNION ALL SELECT * FROM (SELECT DISTINCT ON ("thingName") * FROM (
          ${thingsAt(at)} WHERE t.account_name = ${account} AND t.former_name = ANY(${names}) AND NOT EXISTS (
            SELECT 1 FROM things n WHERE n.account_name = t.account_name AND n.name = t.former_name)
        ) former ORDER BY "thingName", gen DESC) last`),

    /** The things of an account after a name, in the order of names. */
    thingsAfter: async (account: string, after: string, at: Date): Promise<Part<EdgeThing>> => {
      const rows = await db.$queryRaw<EdgeThing[]>(sql`${thingsAt(at)}
        WHERE t.account_name = ${account} AND t.former_name IS NULL AND t.name > ${after} ORDER BY t.name LIMIT ${rowsOfPage + 1}`);
      return { rows: rows.slice(0, rowsOfPage), more: rows.length > rowsOfPage };
    },
  };
}

/** Things with the certificate that counts for them at an instant: a valid one before others, and then the newest. */
const thingsAt = (at: Date) => sql`
  SELECT COALESCE(t.former_name, t.name) AS "thingName", t.id AS "thingId", t.thing_type AS type, t.attributes, t.policies, t.segment,
    CASE WHEN t.former_name IS NULL THEN t.status ELSE 'revoked' END AS status, t.gen, c.serial_number AS "serialNumber", c.not_after AS "notAfter",
    COALESCE(c.reason IS NULL AND c.not_after > ${at}, false) AS live,
    (SELECT max(r.revoked_position) FROM certificates r WHERE r.thing_id = t.id)::float8 AS revoked
  FROM things t LEFT JOIN LATERAL (
    SELECT * FROM certificates v WHERE v.thing_id = t.id
    ORDER BY (v.reason IS NULL AND v.not_after > ${at}) DESC, v.not_after DESC, v.created_at DESC, v.serial_number LIMIT 1
  ) c ON true`;

function instantOf(tx: Transaction, account: string, rowsOfPage: number) {
  const partOf = <Row>(rows: Row[]): Part<Row> => ({
    rows: rows.slice(0, rowsOfPage),
    more: rows.length > rowsOfPage,
  });

  return {
    head: (): Promise<{ epoch: string; position: number }> => readHead(tx),

    account: (): Promise<EdgeAccount> =>
      tx.account.findUniqueOrThrow({
        where: { name: account },
        select: { name: true, status: true, timeZone: true, clientIdForm: true },
      }),

    tokenKeys: async (at: Date): Promise<EdgeTokenKey[]> =>
      (await tx.tokenKey.findMany({
        where: { purpose: 'access', OR: [{ retiresAt: null }, { retiresAt: { gt: at } }] },
        orderBy: [{ signsFrom: 'desc' }, { kid: 'asc' }],
        select: { kid: true, algorithm: true, publicJwk: true, retiresAt: true },
      })) as EdgeTokenKey[],

    /** The active policies after a name: at least one, and no more than a page's worth of documents. */
    async policies(after: string): Promise<Part<PolicyVersion>> {
      const rows = await documentsAfter<PolicyVersion>(
        sql`policies p JOIN policy_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version`,
        after,
      );
      return { rows, more: await hasPolicyAfter(rows.at(-1)?.name ?? after) };
    },

    /** The same of pipelines; of those that have an active version. */
    async pipelines(after: string): Promise<Part<ActivePipeline>> {
      const rows = await documentsAfter<ActivePipeline>(
        sql`pipelines p JOIN pipeline_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version`,
        after,
      );
      return { rows, more: rows.length > 0 && (await hasPipelineAfter(rows.at(-1)!.name)) };
    },

    segments: async (after: string): Promise<Part<EdgeSegment>> =>
      partOf(
        await tx.$queryRaw<EdgeSegment[]>(sql`
          SELECT name, cidr, allowed_protocols AS "allowedProtocols", traffic_policy AS "trafficPolicy" FROM segments
          WHERE account_name = ${account} AND name > ${after} ORDER BY name LIMIT ${rowsOfPage + 1}`),
      ),

    /** Entries about things and certificates since an instant, after one position and up to another. */
    async recent(since: Date, after: number, upTo: number): Promise<Part<LogEntry>> {
      const rows = await tx.$queryRaw<object[]>(sql`
        SELECT ${entryColumns} FROM log_entries e
        WHERE e.account_name = ${account} AND e.at >= ${since} AND e.position > ${after} AND e.position <= ${upTo}
          AND e.type IN ('certificate', 'release', 'thing', 'thing-changed')
        ORDER BY e.position LIMIT ${rowsOfPage + 1}`);
      const { rows: shown, more } = partOf(rows);
      return { rows: shown.map(parseEntry), more };
    },
  };

  /** At least one, and no more than a page's worth of documents. */
  function documentsAfter<Row>(from: ReturnType<typeof sql>, after: string): Promise<Row[]> {
    return tx.$queryRaw<Row[]>(sql`
      SELECT name, version, document FROM (
        SELECT name, version, document, size, sum(size) OVER (ORDER BY name) AS total FROM (
          SELECT p.name, v.version, v.document, octet_length(v.document::text) AS size FROM ${from}
          WHERE p.account_name = ${account} AND p.name > ${after} ORDER BY p.name LIMIT ${rowsOfPage}) sized) summed
      WHERE total - size < ${documentBytesOfPage} ORDER BY name`);
  }

  async function hasPipelineAfter(name: string): Promise<boolean> {
    const where = { accountName: account, name: { gt: name }, activeVersion: { not: null } };
    return (await tx.pipeline.findFirst({ where, select: { name: true } })) !== null;
  }

  async function hasPolicyAfter(name: string): Promise<boolean> {
    const where = { accountName: account, name: { gt: name } };
    return (await tx.policy.findFirst({ where, select: { name: true } })) !== null;
  }
}
