import { sql, type Transaction } from '../db/client.js';
import { appendLog } from '../log/append.js';
import { issuerEntry, revokedEntry, thingEntry } from '../log/builders.js';
import { isGraver } from './graver.js';
import { isExternal, type Told, type ToldThing } from './sources.js';

/** What was re-applied. */
export type Applied = { certificates: number; orphans: number; things: number };

const chunkRows = 1000;

/** Re-applies what sources say. It only adds: what a source does not name stays as it is. */
export async function applyTold(tx: Transaction, at: Date, told: Told[], things: ToldThing[]): Promise<Applied> {
  const applied = { certificates: 0, orphans: 0, things: 0 };
  const orphans: Told[] = [];
  for (const chunk of chunksOf(told)) {
    const known = await findCertificates(tx, chunk);
    applied.certificates += await revokeKnown(tx, at, chunk, known);
    orphans.push(
      ...chunk.filter((each) => !isExternal(each) && known.get(each.serialNumber)?.issuerId !== each.issuerId),
    );
  }
  applied.orphans = await keepOrphans(tx, at, orphans);
  for (const chunk of chunksOf(things)) applied.things += await applyThings(tx, at, chunk);
  return applied;
}

type Known = Awaited<ReturnType<typeof findCertificates>>;

async function findCertificates(tx: Transaction, chunk: Told[]) {
  const rows = await tx.certificate.findMany({
    where: { serialNumber: { in: chunk.map(({ serialNumber }) => serialNumber) } },
    include: { thing: { select: { name: true } } },
  });
  return new Map(rows.map((row) => [row.serialNumber, row]));
}

async function revokeKnown(tx: Transaction, at: Date, chunk: Told[], known: Known): Promise<number> {
  const changes = chunk.flatMap(({ serialNumber, issuerId, reason, revokedAt, heldBySuspension }) => {
    const certificate = known.get(serialNumber);
    // A source speaks for its own issuers alone.
    if (certificate?.issuerId !== issuerId || !isGraver(reason, certificate.reason)) return [];
    const held = heldBySuspension && reason === 'certificateHold';
    // The same certificate in a second source must not be revoked twice.
    const before = { ...certificate };
    Object.assign(certificate, { reason, revokedAt: certificate.revokedAt ?? revokedAt });
    return [{ certificate: before, reason, revokedAt: before.revokedAt ?? revokedAt, held }];
  });
  if (changes.length === 0) return 0;
  const rows = changes.map(({ certificate: { serialNumber }, ...change }) => ({ serial: serialNumber, ...change }));
  await tx.$executeRaw(sql`
    UPDATE certificates c SET revoked_at = r."revokedAt", reason = r.reason, held_by_suspension = r.held
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS r(serial text, reason text, "revokedAt" timestamptz, held boolean)
    WHERE c.serial_number = r.serial`);
  await barKeys(
    tx,
    at,
    changes.filter(({ reason }) => reason === 'keyCompromise').map(({ certificate }) => certificate),
  );
  await appendLog(
    tx,
    at,
    changes.map(({ certificate, reason, revokedAt }) =>
      revokedEntry(
        { account: certificate.accountName, thingName: certificate.thing.name },
        { ...certificate, revokedAt },
        reason,
      ),
    ),
  );
  return changes.length;
}

async function barKeys(tx: Transaction, at: Date, certificates: { accountName: string; spkiSha256: Uint8Array }[]) {
  for (const { accountName, spkiSha256 } of certificates)
    await tx.thingKey.updateMany({
      where: { accountName, spkiSha256: new Uint8Array(spkiSha256), barredAt: null },
      data: { barredAt: at },
    });
}

/** Keeps the serial numbers that the backup lacks. One place in the log for each issuer: none of them ever leaves a list early. */
async function keepOrphans(tx: Transaction, at: Date, orphans: Told[]): Promise<number> {
  let kept = 0;
  for (const issuerId of new Set(orphans.map((each) => each.issuerId))) {
    const issuer = await tx.issuer.findUniqueOrThrow({ where: { id: issuerId } });
    const position = await appendLog(tx, at, [issuerEntry(issuer.accountName, issuerId)]);
    for (const chunk of chunksOf(orphans.filter((each) => each.issuerId === issuerId))) {
      const data = chunk.map(({ index, heldBySuspension: _, ...each }) => ({
        ...each,
        issuerIndex: index === null ? null : BigInt(index),
        position,
      }));
      kept += (await tx.orphanedRevocation.createMany({ data, skipDuplicates: true })).count;
      kept += await aggravate(tx, chunk, position);
    }
  }
  return kept;
}

/** Gives orphans of an earlier restore the graver reasons that are told now. Returns how many. */
async function aggravate(tx: Transaction, chunk: Told[], position: bigint): Promise<number> {
  const [{ issuerId }] = chunk as [Told];
  const kept = await tx.orphanedRevocation.findMany({
    where: { issuerId, serialNumber: { in: chunk.map(({ serialNumber }) => serialNumber) } },
  });
  const reasons = new Map(kept.map(({ serialNumber, reason }) => [serialNumber, reason]));
  const graver = chunk.filter(({ serialNumber, reason }) => isGraver(reason, reasons.get(serialNumber) ?? null));
  for (const { serialNumber, reason } of graver)
    await tx.orphanedRevocation.update({
      where: { issuerId_serialNumber: { issuerId, serialNumber } },
      data: { reason, position },
    });
  return graver.length;
}

type ChangedThing = { id: string; account: string; name: string; status: string; gen: number; minGen: number };

async function applyThings(tx: Transaction, at: Date, things: ToldThing[]): Promise<number> {
  const rank = sql`array_position(ARRAY['active', 'suspended', 'revoked'], t.status)`;
  const changed = await tx.$queryRaw<ChangedThing[]>(sql`
    UPDATE things t SET status = CASE WHEN r.rank > ${rank} THEN r.status ELSE t.status END,
      gen = GREATEST(t.gen, r."minGen") + 1, min_gen = GREATEST(t.gen, r."minGen") + 1
    FROM (SELECT *, array_position(ARRAY['active', 'suspended', 'revoked'], status) AS rank
      FROM jsonb_to_recordset(${JSON.stringify(things)}::jsonb) AS j(account text, id uuid, status text, "minGen" int)) r
    WHERE t.id = r.id AND t.account_name = r.account AND (r.rank > ${rank} OR r."minGen" > t.min_gen)
    RETURNING t.id, t.account_name AS account, t.name, t.status, t.gen, t.min_gen AS "minGen"`);
  const entries = changed.map((thing) => thingEntry(thing.account, thing));
  if (entries.length > 0) await appendLog(tx, at, entries);
  return changed.length;
}

/** What was closed because nobody knows what became of it after the backup. */
export type Closed = { tokenKeys: number; families: number; enrollments: number };

/** Drops the keys of tokens, ends refresh families and closes open enrollments. New token keys are made at the next start. */
export async function closeAll(tx: Transaction, at: Date): Promise<Closed> {
  // Which sessions edges hold is in no backup: a report of what changed is refused, so they report all of them.
  await tx.$executeRaw(sql`DELETE FROM sessions`);
  await tx.$executeRaw(sql`UPDATE proxies SET session_count = 0, sessions_incarnation = 'restored'`);
  // A command that waits in the backup may have been sent after it: it is not sent again.
  await tx.$executeRaw(sql`
    UPDATE commands SET status = 'unknown', finished_at = ${at}, claim = COALESCE(claim, gen_random_uuid()) WHERE finished_at IS NULL`);
  // What ended after the backup is back: people sign in again, and whoever was invited gets another link.
  await tx.$executeRaw(sql`DELETE FROM person_sessions`);
  await tx.$executeRaw(sql`DELETE FROM person_links`);
  await tx.$executeRaw(sql`UPDATE api_keys SET deleted_at = ${at} WHERE person_id IS NOT NULL AND deleted_at IS NULL`);
  return {
    tokenKeys: await tx.$executeRaw(sql`DELETE FROM token_keys`),
    families: await tx.$executeRaw(sql`UPDATE refresh_families SET revoked_at = ${at} WHERE revoked_at IS NULL`),
    enrollments: await tx.$executeRaw(sql`
      UPDATE enrollments SET revoked_at = ${at}
      WHERE revoked_at IS NULL AND uses < max_uses AND (expires_at IS NULL OR expires_at > ${at})`),
  };
}

function chunksOf<Item>(items: Item[]): Item[][] {
  return Array.from({ length: Math.ceil(items.length / chunkRows) }, (_, n) =>
    items.slice(n * chunkRows, (n + 1) * chunkRows),
  );
}
