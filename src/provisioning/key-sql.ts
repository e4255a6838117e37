import { sql, type Transaction } from '../db/client.js';

/**
 * Whether the key `k` of `thing_keys` is free for another thing: its holder was deleted and has lost its name, no
 * certificate with it is unexpired, and it was never revoked as compromised.
 */
export const isKeyFree = (at: Date) => sql`(
  k.barred_at IS NULL
  AND EXISTS (SELECT 1 FROM things h WHERE h.id = k.thing_id AND h.former_name IS NOT NULL)
  AND NOT EXISTS (
    SELECT 1 FROM certificates kc
    WHERE kc.account_name = k.account_name AND kc.spki_sha256 = k.spki_sha256 AND kc.not_after > ${at}))`;

type Wanted = { account: string; spkiSha256: string; thingId: string; at: Date };

/** Makes a thing the holder of a key, if the key is new or free. Says why not, if another thing holds it or it is barred. */
export async function holdKey(
  tx: Transaction,
  { account, spkiSha256, thingId, at }: Wanted,
): Promise<'held' | 'key-in-use' | 'key-barred'> {
  await tx.$executeRaw(sql`
    INSERT INTO thing_keys AS k (account_name, spki_sha256, thing_id)
    VALUES (${account}, decode(${spkiSha256}, 'hex'), ${thingId}::uuid)
    ON CONFLICT (account_name, spki_sha256) DO UPDATE SET thing_id = EXCLUDED.thing_id
    WHERE k.thing_id <> EXCLUDED.thing_id AND ${isKeyFree(at)}`);
  const [key] = await tx.$queryRaw<{ isHeld: boolean; isBarred: boolean }[]>(sql`
    SELECT k.thing_id = ${thingId}::uuid AS "isHeld", k.barred_at IS NOT NULL OR b.spki_sha256 IS NOT NULL AS "isBarred"
    FROM thing_keys k LEFT JOIN barred_keys b ON b.spki_sha256 = k.spki_sha256
    WHERE k.account_name = ${account} AND k.spki_sha256 = decode(${spkiSha256}, 'hex')`);
  if (!key!.isHeld) return 'key-in-use';
  return key!.isBarred ? 'key-barred' : 'held';
}

/** Whether a key was revoked as compromised. Asked once the thing is locked: whoever bars a key locks its thing before. */
export async function isKeyBarred(
  tx: Transaction,
  { account, spkiSha256 }: Pick<Wanted, 'account' | 'spkiSha256'>,
): Promise<boolean> {
  const rows = await tx.$queryRaw<object[]>(sql`
    SELECT 1 FROM thing_keys WHERE account_name = ${account} AND spki_sha256 = decode(${spkiSha256}, 'hex') AND barred_at IS NOT NULL
    UNION ALL SELECT 1 FROM barred_keys WHERE spki_sha256 = decode(${spkiSha256}, 'hex')`);
  return rows.length > 0;
}
