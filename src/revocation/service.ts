import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { AppendLog } from '../log/append.js';
import { releasedEntry, revokedEntry, thingEntry } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import type { Origin } from '../origin.js';
import type { RevocationReason } from '../pki/crl.js';
import type { HeldCertificate } from '../registry.js';
import type * as Sql from './revoke-sql.js';
import type { LockedCertificate, LockedThing } from './revoke-sql.js';
import { transitionOf } from './transition.js';

/** Where something is revoked, when and by whom. */
type Scene = { account: string; thing: LockedThing; at: Date; origin: Origin };

type Deps = {
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  sql: typeof Sql;
  cursorAt(position: number): string;
};

/** A certificate that is revoked, where in the log that stands, and the cursor of that place. */
export type Revoked = {
  serialNumber: string;
  reason: string;
  revokedAt: Date;
  position: number;
  cursor: string;
  /** Somebody else issued it: no list of Thingward names it. */
  outsideLists?: true;
};

/** What answers say of certificates that others issued. */
const outside = (crlScope: string): { outsideLists?: true } => (crlScope === 'external' ? { outsideLists: true } : {});

/** What became of a thing. */
export type ThingRevocation = { name: string; status: string; certificates: number; position: number | undefined };

export type RevokeService = ReturnType<typeof createRevokeService>;

/** Revoking, holding and releasing. What these resolve to is in every answer of every instance by then. */
export function createRevokeService({ commit, clock, audit, log, sql, cursorAt }: Deps) {
  const noCertificate = (serial: string) => new DomainError('not-found', `there is no certificate ${serial}`);
  const noThing = (name: string) => new DomainError('not-found', `there is no thing ${name}`);

  /** Revokes certificates of one locked thing, but for the log: returns what it has to tell. */
  const revokeAll = async (
    tx: Transaction,
    { account, thing, at, origin }: Scene,
    certificates: LockedCertificate[],
    change: { reason: RevocationReason; heldBySuspension?: boolean; action: string },
  ): Promise<NewLogEntry[]> => {
    const { reason, action } = change;
    const serialNumbers = certificates.map(({ serialNumber }) => serialNumber);
    await sql.markRevoked(tx, serialNumbers, { ...change, at });
    const families = reason === 'certificateHold' ? [] : await sql.endFamilies(tx, account, serialNumbers, at);
    if (reason === 'keyCompromise')
      await sql.barKeys(
        tx,
        account,
        certificates.map(({ spkiSha256 }) => spkiSha256),
        at,
      );
    await audit(tx, { at, account, origin, action, target: `thing:${thing.name}`, detail: { serialNumbers, reason } });
    return [
      ...certificates.map((certificate) => revokedEntry({ account, thingName: thing.name }, certificate, reason)),
      ...families,
    ];
  };

  const answerOf = ({ serialNumber, reason, revokedAt, revokedPosition, crlScope }: LockedCertificate): Revoked => {
    const position = Number(revokedPosition ?? 0);
    const answer = { serialNumber, reason: reason!, revokedAt: revokedAt!, position, cursor: cursorAt(position) };
    return { ...answer, ...outside(crlScope) };
  };

  const lockHolder = async (tx: Transaction, account: string, serialNumber: string, at: Date) => {
    const id = await sql.holderOf(tx, account, serialNumber);
    const thing = id === undefined ? undefined : await sql.lockThingById(tx, id);
    const [certificate] = thing ? await sql.certificatesOf(tx, thing.id, at, serialNumber) : [];
    if (!thing || !certificate) throw noCertificate(serialNumber);
    return { thing, certificate };
  };

  /** Changes the status of a locked thing; its tokens up to now are refused. */
  const retire = async (tx: Transaction, account: string, thing: LockedThing, status: string): Promise<NewLogEntry> => {
    const gen = thing.gen + 1;
    await sql.setStatus(tx, thing, status, gen, gen);
    return thingEntry(account, { id: thing.id, name: thing.name, status, gen, minGen: gen });
  };

  /** Certificates of a locked thing that a reason changes. */
  const changedBy = async (tx: Transaction, thing: LockedThing, reason: RevocationReason, at: Date) => {
    const all = await sql.certificatesOf(tx, thing.id, at);
    return all.filter(({ reason: current }) => ['revoke', 'change'].includes(transitionOf(current, reason)));
  };

  /** Revokes a locked thing with everything of it; `also` is what the log has to tell besides. */
  const revokeLocked = async (
    tx: Transaction,
    scene: Scene,
    { reason, action }: { reason: RevocationReason; action: string },
    also: NewLogEntry[] = [],
  ): Promise<ThingRevocation> => {
    const { account, thing, at } = scene;
    const { name } = thing;
    await sql.closeReenrollments(tx, thing, at);
    const changing = await changedBy(tx, thing, reason, at);
    if (thing.status === 'revoked' && changing.length === 0 && also.length === 0)
      return { name, status: 'revoked', certificates: 0, position: undefined };
    // Revoked once is enough: its name may belong to another thing by now.
    const status = thing.status === 'revoked' ? [] : [await retire(tx, account, thing, 'revoked')];
    const entries = await revokeAll(tx, scene, changing, { reason, action });
    const position = Number(await log(tx, at, [...also, ...entries, ...status]));
    return { name, status: 'revoked', certificates: changing.length, position };
  };

  const revokeThing = (
    account: string,
    name: string,
    reason: RevocationReason,
    origin: Origin,
    { deletes = false } = {},
  ): Promise<ThingRevocation> =>
    commit(async (tx) => {
      const thing = await sql.lockThing(tx, account, name);
      if (!thing) throw noThing(name);
      const at = clock();
      if (deletes) await sql.markDeleted(tx, thing, at);
      return revokeLocked(tx, { account, thing, at, origin }, { reason, action: 'thing.revoke' });
    });

  /** What a key that its own device gave up was certified for besides its thing. */
  const revokeElsewhere = async (
    tx: Transaction,
    { account, at, origin }: Scene,
    others: LockedThing[],
    lineage: Set<string>,
  ): Promise<NewLogEntry[]> => {
    const entries: NewLogEntry[] = [];
    for (const thing of others) {
      const changing = await changedBy(tx, thing, 'keyCompromise', at);
      const related = changing.filter(({ serialNumber }) => lineage.has(serialNumber));
      if (related.length === 0) continue;
      const change = { reason: 'keyCompromise', action: 'certificate.revoke' } as const;
      entries.push(...(await revokeAll(tx, { account, thing, at, origin }, related, change)));
    }
    return entries;
  };

  return {
    /**
     * Revokes one certificate. Repeating the same reason returns the original answer.
     * @throws DomainError `not-found`, `conflict` when it was revoked for a reason that cannot become this one
     */
    revokeCertificate: (
      account: string,
      serialNumber: string,
      reason: RevocationReason,
      origin: Origin,
    ): Promise<Revoked> =>
      commit(async (tx) => {
        const at = clock();
        const { thing, certificate } = await lockHolder(tx, account, serialNumber, at);
        const transition = transitionOf(certificate.reason, reason);
        if (transition === 'repeat') return answerOf(certificate);
        if (transition === 'refuse')
          throw new DomainError(
            'conflict',
            `the certificate is revoked with the reason ${certificate.reason}, which can only change to keyCompromise`,
          );
        const change = { reason, action: 'certificate.revoke' };
        const last = await log(tx, at, await revokeAll(tx, { account, thing, at, origin }, [certificate], change));
        const [after] = await sql.certificatesOf(tx, thing.id, at, serialNumber);
        return answerOf({ ...after!, revokedPosition: after!.revokedPosition ?? last });
      }),

    /** Ends a hold. @throws DomainError `not-found`, `conflict` unless it is held, and not by a suspension */
    releaseCertificate: (
      account: string,
      serialNumber: string,
      origin: Origin,
    ): Promise<{ serialNumber: string; position: number; cursor: string; outsideLists?: true }> =>
      commit(async (tx) => {
        const at = clock();
        const { thing, certificate } = await lockHolder(tx, account, serialNumber, at);
        if (certificate.reason !== 'certificateHold')
          throw new DomainError(
            'conflict',
            `the certificate is ${certificate.reason === null ? 'not held' : `revoked for ${certificate.reason}`}: only a hold can be released`,
          );
        if (certificate.heldBySuspension)
          throw new DomainError(
            'conflict',
            `the certificate is held because the thing ${thing.name} is suspended: resume the thing`,
          );
        await sql.markReleased(tx, [serialNumber]);
        await audit(tx, {
          at,
          account,
          origin,
          action: 'certificate.release',
          target: `thing:${thing.name}`,
          detail: { serialNumber },
        });
        const position = Number(await log(tx, at, [releasedEntry({ account, thingName: thing.name }, certificate)]));
        return { serialNumber, position, cursor: cursorAt(position), ...outside(certificate.crlScope) };
      }),

    /**
     * Revokes a thing with every certificate and token of it; with `deletes` its name will be free again.
     * @throws DomainError `not-found`
     */
    revokeThing,

    /**
     * Revokes the thing of a device that asked for it with its own key; for keyCompromise also everything in the account
     * that was ever certified for that key or renewed from it.
     */
    revokeSelf: (
      { thing: { id, account, name }, serialNumber }: HeldCertificate,
      reason: RevocationReason,
      origin: Origin,
    ): Promise<ThingRevocation> =>
      commit(async (tx) => {
        const { things, serialNumbers } = await sql.lockLineage(tx, account, serialNumber, id);
        const thing = things.find((each) => each.id === id);
        if (!thing) throw noThing(name);
        const scene = { account, thing, at: clock(), origin };
        const others = reason === 'keyCompromise' ? things.filter((each) => each !== thing) : [];
        const also = await revokeElsewhere(tx, scene, others, serialNumbers);
        return revokeLocked(tx, scene, { reason, action: 'thing.revoke-self' }, also);
      }),

    /** Frees the names of deleted things whose last certificate has expired. Called now and then. */
    freeNames: (): Promise<void> =>
      commit(async (tx) => {
        const entries = await sql.freeNames(tx, clock());
        if (entries.length > 0) await log(tx, clock(), entries);
      }),

    /** Holds every live certificate of a thing and refuses its tokens. @throws DomainError `not-found`, `conflict` for a revoked thing */
    suspendThing: (account: string, name: string, origin: Origin): Promise<ThingRevocation> =>
      commit(async (tx) => {
        const thing = await sql.lockThing(tx, account, name);
        if (!thing) throw noThing(name);
        if (thing.status === 'revoked') throw revokedForGood(name);
        if (thing.status === 'suspended') return { name, status: 'suspended', certificates: 0, position: undefined };
        const at = clock();
        const live = (await sql.certificatesOf(tx, thing.id, at)).filter(({ reason }) => reason === null);
        const status = await retire(tx, account, thing, 'suspended');
        const hold = { reason: 'certificateHold', heldBySuspension: true, action: 'thing.suspend' } as const;
        const entries = await revokeAll(tx, { account, thing, at, origin }, live, hold);
        const last = await log(tx, at, [...entries, status]);
        return { name, status: 'suspended', certificates: live.length, position: Number(last) };
      }),

    /** Ends a suspension and the holds that it made, and no others. @throws DomainError `not-found`, `conflict` for a revoked thing */
    resumeThing: (account: string, name: string, origin: Origin): Promise<ThingRevocation> =>
      commit(async (tx) => {
        const thing = await sql.lockThing(tx, account, name);
        if (!thing) throw noThing(name);
        if (thing.status === 'revoked') throw revokedForGood(name);
        if (thing.status === 'active') return { name, status: 'active', certificates: 0, position: undefined };
        const at = clock();
        const held = (await sql.certificatesOf(tx, thing.id, at)).filter(({ heldBySuspension }) => heldBySuspension);
        await sql.markReleased(
          tx,
          held.map(({ serialNumber }) => serialNumber),
        );
        const gen = thing.gen + 1;
        await sql.setStatus(tx, thing, 'active', gen, undefined);
        const detail = { serialNumbers: held.map(({ serialNumber }) => serialNumber) };
        await audit(tx, { at, account, origin, action: 'thing.resume', target: `thing:${name}`, detail });
        const status = thingEntry(account, { id: thing.id, name, status: 'active', gen, minGen: gen });
        const last = await log(tx, at, [
          ...held.map((certificate) => releasedEntry({ account, thingName: name }, certificate)),
          status,
        ]);
        return { name, status: 'active', certificates: held.length, position: Number(last) };
      }),
  };
}

function revokedForGood(name: string): DomainError {
  return new DomainError(
    'conflict',
    `the thing ${name} is revoked, which cannot be undone: re-enroll it to give the name to a new thing`,
  );
}
