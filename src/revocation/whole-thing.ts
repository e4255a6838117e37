import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { releasedEntry, thingEntry } from '../log/builders.js';
import type { NewLogEntry } from '../log/entries.js';
import type { Origin } from '../origin.js';
import type { RevocationReason } from '../pki/crl.js';
import { revoke, type Act, type Revocable, type RevokeDeps } from './revoke.js';
import * as sql from './revoke-sql.js';
import type { LockedCertificate, LockedThing } from './revoke-sql.js';
import { transitionOf } from './transition.js';
import { requireMatch } from '../api/etag.js';
import { thingTag, type HeldCertificate } from '../registry.js';

/** What became of a thing. */
export type ThingRevocation = { name: string; status: string; certificates: number; position: number | undefined };

/** A locked thing, and who does something to it when. */
type Scene = { account: string; thing: LockedThing; at: Date; origin: Origin };

/**
 * Revokes a thing with every certificate and token of it; with `deletes` its name will be free again.
 * @throws DomainError `not-found`
 */
export function revokeThing(
  deps: RevokeDeps,
  account: string,
  name: string,
  reason: RevocationReason,
  origin: Origin,
  { deletes = false } = {},
): Promise<ThingRevocation> {
  return deps.commit(async (tx) => {
    const thing = await lockNamed(tx, account, name);
    requireMatch(origin, thingTag(thing));
    const at = deps.clock();
    if (deletes) await sql.markDeleted(tx, thing, at);
    return revokeLocked(deps, tx, { account, thing, at, origin }, { reason, action: 'thing.revoke' });
  });
}

/**
 * Revokes the thing of a device that asked for it with its own key; for keyCompromise also everything in the account
 * that was ever certified for that key or renewed from it.
 */
export function revokeSelf(
  deps: RevokeDeps,
  { thing: { id, account, name }, serialNumber }: HeldCertificate,
  reason: RevocationReason,
  origin: Origin,
): Promise<ThingRevocation> {
  return deps.commit(async (tx) => {
    const { things, serialNumbers } = await sql.lockLineage(tx, account, serialNumber, id);
    const thing = things.find((each) => each.id === id);
    if (!thing) throw noThing(name);
    const scene = { account, thing, at: deps.clock(), origin };
    const others = reason === 'keyCompromise' ? things.filter((each) => each !== thing) : [];
    const also = await revokeElsewhere(deps, tx, scene, others, serialNumbers);
    return revokeLocked(deps, tx, scene, { reason, action: 'thing.revoke-self' }, also);
  });
}

/** Holds every live certificate of a thing and refuses its tokens. @throws DomainError `not-found`, `conflict` for a revoked thing */
export function suspendThing(
  { commit, clock, audit, log }: RevokeDeps,
  account: string,
  name: string,
  origin: Origin,
): Promise<ThingRevocation> {
  return commit(async (tx) => {
    const thing = await lockNamed(tx, account, name);
    if (thing.status === 'revoked') throw revokedForGood(name);
    if (thing.status === 'suspended') return unchanged(thing);
    const at = clock();
    const live = (await sql.certificatesOf(tx, thing.id, at)).filter(({ reason }) => reason === null);
    const status = await retire(tx, account, thing, 'suspended');
    const act = actOn({ account, thing, at, origin }, 'certificateHold', 'thing.suspend');
    const entries = await revoke(audit, tx, named(thing, live), { ...act, heldBySuspension: true });
    const last = await log(tx, at, [...entries, status]);
    return { name, status: 'suspended', certificates: live.length, position: Number(last) };
  });
}

/** Ends a suspension and the holds that it made, and no others. @throws DomainError `not-found`, `conflict` for a revoked thing */
export function resumeThing(
  { commit, clock, audit, log }: RevokeDeps,
  account: string,
  name: string,
  origin: Origin,
): Promise<ThingRevocation> {
  return commit(async (tx) => {
    const thing = await lockNamed(tx, account, name);
    if (thing.status === 'revoked') throw revokedForGood(name);
    if (thing.status === 'active') return unchanged(thing);
    const at = clock();
    const held = (await sql.certificatesOf(tx, thing.id, at)).filter(({ heldBySuspension }) => heldBySuspension);
    const serialNumbers = held.map(({ serialNumber }) => serialNumber);
    await sql.markReleased(tx, serialNumbers);
    const gen = thing.gen + 1;
    await sql.setStatus(tx, thing, 'active', gen, undefined);
    const target = `thing:${name}`;
    await audit(tx, { at, account, origin, action: 'thing.resume', target, detail: { serialNumbers } });
    const released = held.map((certificate) => releasedEntry({ account, thingName: name }, certificate));
    const status = thingEntry(account, { id: thing.id, name, status: 'active', gen, minGen: gen });
    const last = await log(tx, at, [...released, status]);
    return { name, status: 'active', certificates: held.length, position: Number(last) };
  });
}

/** Frees the names of deleted things whose last certificate has expired. Called now and then. */
export function freeNames({ commit, clock, log }: RevokeDeps): Promise<void> {
  return commit(async (tx) => {
    const entries = await sql.freeNames(tx, clock());
    if (entries.length > 0) await log(tx, clock(), entries);
  });
}

/** Revokes a locked thing with everything of it; `also` is what the log has to tell besides. */
async function revokeLocked(
  { audit, log }: RevokeDeps,
  tx: Transaction,
  scene: Scene,
  { reason, action }: { reason: RevocationReason; action: string },
  also: NewLogEntry[] = [],
): Promise<ThingRevocation> {
  const { account, thing, at } = scene;
  await sql.closeReenrollments(tx, thing, at);
  const changing = await changedBy(tx, thing, reason, at);
  if (thing.status === 'revoked' && changing.length === 0 && also.length === 0) return unchanged(thing);
  // Revoked once is enough: its name may belong to another thing by now.
  const status = thing.status === 'revoked' ? [] : [await retire(tx, account, thing, 'revoked')];
  const entries = await revoke(audit, tx, named(thing, changing), actOn(scene, reason, action));
  const position = Number(await log(tx, at, [...also, ...entries, ...status]));
  return { name: thing.name, status: 'revoked', certificates: changing.length, position };
}

/** What a key that its own device gave up was certified for besides its thing. */
async function revokeElsewhere(
  { audit }: RevokeDeps,
  tx: Transaction,
  scene: Scene,
  others: LockedThing[],
  lineage: Set<string>,
): Promise<NewLogEntry[]> {
  const entries: NewLogEntry[] = [];
  for (const thing of others) {
    const changing = await changedBy(tx, thing, 'keyCompromise', scene.at);
    const related = changing.filter(({ serialNumber }) => lineage.has(serialNumber));
    if (related.length === 0) continue;
    const act = actOn({ ...scene, thing }, 'keyCompromise', 'certificate.revoke');
    entries.push(...(await revoke(audit, tx, named(thing, related), act)));
  }
  return entries;
}

/** Certificates of a locked thing that a reason changes. */
async function changedBy(tx: Transaction, thing: LockedThing, reason: RevocationReason, at: Date) {
  const all = await sql.certificatesOf(tx, thing.id, at);
  return all.filter(({ reason: current }) => ['revoke', 'change'].includes(transitionOf(current, reason)));
}

/** Changes the status of a locked thing; its tokens up to now are refused. */
async function retire(tx: Transaction, account: string, thing: LockedThing, status: string): Promise<NewLogEntry> {
  const gen = thing.gen + 1;
  await sql.setStatus(tx, thing, status, gen, gen);
  return thingEntry(account, { id: thing.id, name: thing.name, status, gen, minGen: gen });
}

async function lockNamed(tx: Transaction, account: string, name: string): Promise<LockedThing> {
  const thing = await sql.lockThing(tx, account, name);
  if (!thing) throw noThing(name);
  return thing;
}

function actOn({ account, thing, at, origin }: Scene, reason: RevocationReason, action: string): Act {
  return { account, reason, at, origin, action, target: `thing:${thing.name}` };
}

function named({ name }: LockedThing, certificates: LockedCertificate[]): Revocable[] {
  return certificates.map((certificate) => ({ ...certificate, thingName: name }));
}

function unchanged({ name, status }: LockedThing): ThingRevocation {
  return { name, status, certificates: 0, position: undefined };
}

function noThing(name: string): DomainError {
  return new DomainError('not-found', `there is no thing ${name}`);
}

function revokedForGood(name: string): DomainError {
  return new DomainError(
    'conflict',
    `the thing ${name} is revoked, which cannot be undone: re-enroll it to give the name to a new thing`,
  );
}
