import { sql, type Transaction } from '../db/client.js';
import { isKeyFree } from './key-sql.js';
import type { IssuedCertificate } from '../issuers/signing.js';
import type { Origin } from '../origin.js';
import type { RegisteredThing } from '../registry.js';
import type { Manufactured } from './admission/manufactured.js';

/** A chain of refresh tokens, of which only the latest is valid. */
export type RefreshFamily = { id: string; expiresAt: Date };

/** Everything that one provisioning leaves behind, complete before it is written. */
export type ProvisionRecord = {
  at: Date;
  origin: Origin;
  enrollmentId: string;
  thing: RegisteredThing;
  certificate: IssuedCertificate;
  issuerId: string;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  spkiSha256: string;
  family: RefreshFamily;
  /** The expected thing that it uses up, as it was read. */
  expected?: { id: string; revision: number } | undefined;
  /** The ACME account that the thing belongs to from now on; null for none. */
  acmeAccountId: string | null;
  /** What the device proved by the certificate of its manufacturer; null for none. */
  manufactured: Pick<Manufactured, 'fingerprint'> | null;
};

/**
 * Writes things, keys, certificates, refresh families, audit rows and the uses of enrollments: one
 * statement and one parameter, whatever the number of records. Anything that conflicts with a row
 * written meanwhile fails the whole of it. The key may be taken over from the thing
 * `takesKeyOf`, which is locked and revoked.
 */
export async function insertRecords(
  tx: Transaction,
  records: ProvisionRecord[],
  { existingThing = false, takesKeyOf }: { existingThing?: boolean; takesKeyOf?: string | undefined } = {},
): Promise<void> {
  const things = existingThing ? sql`SELECT id FROM r` : newThings;
  await tx.$executeRaw(sql`
    WITH r AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(records.map(flatten))}::jsonb) AS r(
        id uuid, account text, name text, type text, attributes jsonb, policies text[], segment text, gen int, min_gen int, enrollment uuid, at timestamptz,
        serial text, issuer text, index bigint, fingerprint text, spki text, der text, not_before timestamptz,
        not_after timestamptz, scope text, family uuid, family_expires timestamptz, actor text, request text, ip text, action text, acme uuid, expected uuid, made text)),
    t AS (${things}),
    k AS (
      INSERT INTO thing_keys AS k (account_name, spki_sha256, thing_id)
      SELECT account, decode(spki, 'hex'), id FROM r
      ON CONFLICT (account_name, spki_sha256) DO UPDATE SET thing_id = EXCLUDED.thing_id
      WHERE k.thing_id <> EXCLUDED.thing_id AND ${takesKeyOf === undefined ? isKeyFree(records[0]!.at) : sql`k.thing_id = ${takesKeyOf}::uuid AND k.barred_at IS NULL`}),
    c AS (
      INSERT INTO certificates (serial_number, account_name, thing_id, issuer_id, issuer_index, fingerprint, spki_sha256, der,
                                not_before, not_after, created_at, enrollment_id, crl_scope)
      SELECT serial, account, id, issuer, index, fingerprint, decode(spki, 'hex'), decode(der, 'base64'), not_before, not_after, at, enrollment, scope
      FROM r),
    f AS (
      INSERT INTO refresh_families (id, thing_id, serial_number, advanced_at, expires_at)
      SELECT family, id, serial, at, family_expires FROM r),
    ${existingThing ? disowned : sql``}
    o AS (
      INSERT INTO acme_things (thing_id, acme_account_id) SELECT id, acme FROM r WHERE acme IS NOT NULL
      ON CONFLICT (thing_id) DO UPDATE SET acme_account_id = EXCLUDED.acme_account_id),
    a AS (
      INSERT INTO audit_entries (at, account_name, actor, action, target, request_id, source_ip, detail)
      SELECT at, account, actor, action, 'thing:' || name, request, ip, jsonb_strip_nulls(jsonb_build_object('serialNumber', serial, 'manufacturerCertificate', made)) FROM r),
    x AS (
      UPDATE expected_things x SET used_at = r.at, thing_id = r.id FROM r WHERE x.id = r.expected)
    UPDATE enrollments e SET uses = e.uses + g.uses, vouched = e.vouched + g.uses, proven = e.proven + g.made
    FROM (SELECT enrollment, count(*)::int AS uses, count(made)::int AS made FROM r GROUP BY enrollment) g WHERE e.id = g.enrollment`);

  function flatten(record: ProvisionRecord) {
    const { at, origin, thing, certificate, family } = record;
    return {
      id: thing.id,
      account: thing.account,
      name: thing.name,
      type: thing.thingType,
      attributes: thing.attributes,
      policies: thing.policies,
      segment: thing.segment,
      gen: thing.gen,
      min_gen: thing.minGen,
      enrollment: record.enrollmentId,
      at,
      serial: certificate.serialNumber,
      issuer: record.issuerId,
      index: Number(certificate.index),
      fingerprint: certificate.fingerprint,
      spki: record.spkiSha256,
      der: certificate.der.toString('base64'),
      not_before: certificate.notBefore,
      not_after: certificate.notAfter,
      scope: certificate.crlScope,
      family: family.id,
      family_expires: family.expiresAt,
      actor: origin.actor,
      request: origin.requestId,
      ip: origin.sourceIp,
      expected: record.expected?.id,
      action: existingThing ? 'thing.reenrolled' : 'thing.provision',
      acme: record.acmeAccountId,
      made: record.manufactured?.fingerprint,
    };
  }
}

// A re-enrolled thing belongs to whoever re-enrolled it: the ACME account that had it has it no more.
const disowned = sql`d AS (DELETE FROM acme_things WHERE thing_id IN (SELECT id FROM r WHERE acme IS NULL)),`;

const newThings = sql`
  INSERT INTO things (id, account_name, name, thing_type, attributes, policies, segment, gen, min_gen, enrollment_id, created_at)
  SELECT id, account, name, type, attributes, policies, segment, gen, min_gen, enrollment, at FROM r`;
