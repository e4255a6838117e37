import { sql, type Database } from '../db/client.js';
import type { ThingStatus } from '../registry.js';
import type { Order } from './order-store.js';

/** What decides whether an account may order for a name. */
export type OwnedThing = {
  id: string;
  status: ThingStatus;
  /** The account of ACME that it belongs to. */
  owner: string | null;
  /** The fingerprint of its newest certificate that is not revoked, and whether a newer one is held. */
  newest: string | null;
  isHeld: boolean;
};

/** A certificate that an account may fetch. */
export type OwnedCertificate = { der: Buffer; account: string; name: string; status: ThingStatus };

export type ThingStore = ReturnType<typeof createThingStore>;

/** Reads the things of accounts of ACME, and their certificates. */
export function createThingStore(db: Database) {
  return {
    async find(account: string, name: string): Promise<OwnedThing | undefined> {
      const [row] = await db.$queryRaw<OwnedThing[]>(sql`
        SELECT t.id, t.status, o.acme_account_id AS owner,
          (SELECT c.fingerprint FROM certificates c WHERE c.thing_id = t.id AND c.revoked_at IS NULL
           ORDER BY c.created_at DESC, c.serial_number LIMIT 1) AS newest,
          COALESCE((SELECT c.reason = 'certificateHold' FROM certificates c WHERE c.thing_id = t.id
           ORDER BY c.created_at DESC, c.serial_number LIMIT 1), false) AS "isHeld"
        FROM things t LEFT JOIN acme_things o ON o.thing_id = t.id
        WHERE t.account_name = ${account} AND t.name = ${name}`);
      return row;
    },

    async isOwner(acmeAccountId: string, thingId: string): Promise<boolean> {
      return (await db.acmeThing.count({ where: { thingId, acmeAccountId } })) > 0;
    },

    /** The certificate that an order has led to, also when nobody noted it: its account's, for its name and key, made since it was finalized. */
    async issuedFor({ acmeAccountId, thingName, spkiSha256, finalizedAt }: Order): Promise<string | undefined> {
      const [row] = await db.$queryRaw<{ serial: string }[]>(sql`
        SELECT c.serial_number AS serial FROM acme_things o
        JOIN things t ON t.id = o.thing_id AND t.name = ${thingName} AND t.status = 'active'
        JOIN acme_accounts a ON a.id = o.acme_account_id AND a.account_name = t.account_name
        JOIN certificates c ON c.account_name = a.account_name AND c.spki_sha256 = ${new Uint8Array(spkiSha256!)} AND c.thing_id = t.id
        WHERE o.acme_account_id = ${acmeAccountId}::uuid AND c.revoked_at IS NULL AND c.created_at >= ${finalizedAt}
        ORDER BY c.created_at LIMIT 1`);
      return row?.serial;
    },

    async findCertificate(acmeAccountId: string, serialNumber: string): Promise<OwnedCertificate | undefined> {
      const row = await db.certificate.findFirst({
        where: { serialNumber, thing: { acme: { acmeAccountId } } },
        select: { der: true, accountName: true, thing: { select: { name: true, status: true } } },
      });
      if (!row) return undefined;
      const { accountName, der, thing } = row;
      return { der: Buffer.from(der), account: accountName, name: thing.name, status: thing.status as ThingStatus };
    },

    /** The certificate of a serial number, whoever has it: what renewal information is made from. */
    async findDates(serialNumber: string) {
      const select = { issuerId: true, notBefore: true, notAfter: true, revokedAt: true } as const;
      return (await db.certificate.findUnique({ where: { serialNumber }, select })) ?? undefined;
    },

    /** The fingerprint of a serial number. */
    async fingerprintOf(serialNumber: string): Promise<string | undefined> {
      return (await db.certificate.findUnique({ where: { serialNumber }, select: { fingerprint: true } }))?.fingerprint;
    },
  };
}
