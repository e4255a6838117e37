import { randomBytes, randomUUID } from 'node:crypto';
import type { AppendAudit } from '../../audit/store.js';
import { sql, type Commit, type Database, type Transaction } from '../../db/client.js';
import { isDataConflict } from '../../db/errors.js';
import { DomainError } from '../../errors.js';
import { stepOf } from '../mirror/step.js';
import { createRunStore } from '../runs/run-store.js';
import type { Origin } from '../../origin.js';

/** What became, or would become, of a thing in AWS. */
export type ImportedItem = {
  thing: string;
  result: 'imported' | 'known' | 'skipped';
  certificates: number;
  warnings: string[];
};

/** What became of a policy. */
type ImportedPolicy = { awsName: string; name?: string; warnings: string[] };

/** A fleet being taken over, and how far that is. */
export type ImportRun = {
  id: string;
  account: string;
  dryRun: boolean;
  status: 'running' | 'done' | 'failed';
  enrollmentId: string | null;
  seen: number;
  counts: Record<string, number>;
  items: ImportedItem[];
  policies: ImportedPolicy[];
  reason: string | null;
  origin: Origin;
  startedAt: Date;
  finishedAt: Date | null;
};

/** A thing of AWS, complete before it is written. */
export type NewThing = {
  name: string;
  thingType: string | null;
  attributes: Record<string, string>;
  policies: string[];
  certificates: NewCertificate[];
};

/** A certificate that AWS has and the registry takes over. */
export type NewCertificate = {
  /** Lower-case hex, 40 digits. */
  serialNumber: string;
  fingerprint: string;
  der: Buffer;
  spkiSha256: Buffer;
  notBefore: Date;
  notAfter: Date;
  /** What AWS calls it, and whether it is ACTIVE there. */
  certificateId: string;
  certificateArn: string;
  active: boolean;
};

/** Things that are kept word by word. The others are counted. */
export const mostItems = 1000;

type Deps = {
  db: Database;
  commit: Commit;
  audit: AppendAudit;
  /** The id of this instance, which claims runs. */
  instance: string;
};

export type ImportStore = ReturnType<typeof createImportStore>;

/** Reads and writes imports from AWS IoT. One runs on one instance at a time. */
export function createImportStore({ db, commit, audit, instance }: Deps) {
  const runs = createRunStore(db, 'imports', instance);

  /** Certificates that others issued have an issuer that signs nothing and has no lists. */
  const externalIssuer = async (tx: Transaction, account: string, at: Date): Promise<string> => {
    const id = `external-${account}`;
    const [none, forever] = [new Uint8Array(), new Date('9999-01-01T00:00:00Z')];
    await tx.issuer.createMany({
      data: [
        {
          id,
          accountName: account,
          kind: 'external',
          certificateDer: none,
          sealedKey: none,
          notBefore: at,
          notAfter: forever,
          createdAt: at,
        },
      ],
      skipDuplicates: true,
    });
    return id;
  };

  const insertCertificate = async (tx: Transaction, owner: Owner, certificate: NewCertificate): Promise<void> => {
    const { account, thingId, issuerId, enrollmentId, at } = owner;
    const spkiSha256 = new Uint8Array(certificate.spkiSha256);
    await tx.thingKey.createMany({ data: [{ accountName: account, spkiSha256, thingId }], skipDuplicates: true });
    const { nextIndex } = await tx.issuer.update({ where: { id: issuerId }, data: { nextIndex: { increment: 1 } } });
    const { serialNumber, fingerprint, der, notBefore, notAfter, active } = certificate;
    await tx.certificate.create({
      data: {
        serialNumber,
        fingerprint,
        der: new Uint8Array(der),
        spkiSha256,
        notBefore,
        notAfter,
        createdAt: at,
        accountName: account,
        thingId,
        issuerId,
        issuerIndex: nextIndex - 1n,
        enrollmentId,
        crlScope: 'external',
        // It is in use already: nothing waits for its first time.
        firstUsedAt: at,
        ...(active ? {} : { revokedAt: at, reason: 'certificateHold' }),
      },
    });
  };

  return {
    isConflict: isDataConflict,

    start: runs.start,

    async find(account: string, id: string): Promise<ImportRun | undefined> {
      const row = await db.awsImport.findUnique({ where: { id, accountName: account } });
      return row ? toRun(row) : undefined;
    },

    async claim(at: Date, until: Date): Promise<ImportRun | undefined> {
      const id = await runs.claim(at, until);
      return id === undefined ? undefined : toRun(await db.awsImport.findUniqueOrThrow({ where: { id } }));
    },

    /** Notes how far it is. False when the claim is lost. */
    save: ({ id, seen, counts, items, policies }: ImportRun): Promise<boolean> =>
      runs.save(
        id,
        sql`seen = ${seen}, counts = ${JSON.stringify(counts)}::jsonb, items = ${JSON.stringify(items)}::jsonb,
          policies = ${JSON.stringify(policies)}::jsonb`,
      ),

    finish: ({ id }: ImportRun, status: 'done' | 'failed', reason: string | null, at: Date): Promise<void> =>
      runs.finish(id, status, reason, at),

    /** Which of these names things have here already. */
    async knownNames(account: string, names: string[]): Promise<Set<string>> {
      const rows = await db.thing.findMany({
        where: { accountName: account, name: { in: names } },
        select: { name: true },
      });
      return new Set(rows.map(({ name }) => name));
    },

    /** An enrollment that nobody can use, by which everything that one import brought can be found, and revoked. */
    enrollment: (run: ImportRun, at: Date): Promise<string> =>
      db.$transaction(async (tx) => {
        const { id } = await tx.enrollment.create({
          data: {
            id: randomUUID(),
            accountName: run.account,
            tokenHash: new Uint8Array(randomBytes(32)),
            policies: [],
            thingNamePattern: '*',
            maxUses: 1,
            attributes: {},
            sourceCidrs: [],
            deviceAttributes: [],
            createdAt: at,
            createdBy: run.origin.actor,
            revokedAt: at,
          },
        });
        await tx.awsImport.update({ where: { id: run.id }, data: { enrollmentId: id } });
        return id;
      }),

    /** Writes a thing with its certificates, known to the mirror as it is in AWS. Fails as a whole on anything that is taken. @throws DomainError `bad-key` */
    insert: (run: ImportRun, enrollmentId: string, thing: NewThing, at: Date): Promise<void> =>
      commit(async (tx) => {
        const { account, origin } = run;
        const thingId = randomUUID();
        const { name, thingType, attributes, policies } = thing;
        const keys = thing.certificates.map(({ spkiSha256 }) => new Uint8Array(spkiSha256));
        if ((await tx.barredKey.count({ where: { spkiSha256: { in: keys } } })) > 0)
          throw new DomainError('bad-key', 'the key of its certificate was revoked as compromised');
        const issuerId = await externalIssuer(tx, account, at);
        await tx.thing.create({
          data: {
            id: thingId,
            accountName: account,
            name,
            thingType,
            attributes,
            policies,
            enrollmentId,
            createdAt: at,
          },
        });
        const owner = { account, thingId, issuerId, enrollmentId, at };
        for (const certificate of thing.certificates) await insertCertificate(tx, owner, certificate);
        await adopt(tx, account, thingId, thing.certificates);
        const detail = { serialNumbers: thing.certificates.map(({ serialNumber }) => serialNumber) };
        await audit(tx, { at, account, origin, action: 'thing.import', target: `thing:${name}`, detail });
      }),
  };
}

type Owner = { account: string; thingId: string; issuerId: string; enrollmentId: string; at: Date };

/** The saga of a thing that was in AWS before: its certificates exist, and its policies stay. */
async function adopt(tx: Transaction, account: string, thingId: string, certificates: NewCertificate[]): Promise<void> {
  const [saga] = await tx.$queryRaw<{ id: string }[]>(sql`
    INSERT INTO aws_sagas (account_name, thing_id, due_at, pending_since, adopted, keeps_policies)
    VALUES (${account}, ${thingId}::uuid, '1970-01-01Z', now(), true, true)
    ON CONFLICT (thing_id) DO UPDATE SET adopted = true, keeps_policies = true RETURNING id`);
  for (const { fingerprint, certificateId, certificateArn, active } of certificates) {
    const status = active ? 'ACTIVE' : 'INACTIVE';
    await tx.$executeRaw(sql`
      INSERT INTO aws_steps (saga_id, step, wanted, reached, result, reached_at)
      VALUES (${saga!.id}::uuid, ${stepOf('certificate', fingerprint)}, ${status}, ${status},
        ${JSON.stringify({ certificateId, certificateArn })}::jsonb, now())`);
  }
}

type Row = NonNullable<Awaited<ReturnType<Database['awsImport']['findUnique']>>>;

function toRun({ accountName, status, counts, items, policies, origin, ...row }: Row): ImportRun {
  return {
    ...row,
    account: accountName,
    status: status as ImportRun['status'],
    counts: counts as Record<string, number>,
    items: items as ImportedItem[],
    policies: policies as ImportedPolicy[],
    origin: origin as Origin,
  };
}
