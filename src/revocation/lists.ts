import { LRUCache } from 'lru-cache';
import { keepAfterExpiryMs } from '../log/append.js';
import type { LogEntry } from '../log/reader.js';
import { encodeCrlEntry, type RevocationReason } from '../pki/crl.js';
import { revocationDateOf } from './backdating.js';
import { createEntries, type Entries, type Listed } from './entries.js';

/** What a list is about. `complete` and the numbers of shards are scopes; a delta is made of the complete one. */
export type ListOf = { issuerId: string; account: string; scope: string; listSuperseded: boolean };

/** A revoked certificate, as the registry or the log tells of it. */
export type ListedCertificate = {
  serialNumber: string;
  reason: RevocationReason;
  revokedAt: Date;
  notAfter: Date;
  position: number;
  index: number;
};

/** The present contents of a list. */
export type List = {
  entries: Entries;
  /** Where in the log the last entry stands that this list must show. */
  lastChange: number;
  /** Serial numbers that were released, or superseded and not listed for it: these may leave the list. */
  gone: Set<string>;
};

type Deps = {
  /** Certificates of a list that were revoked at or before a position and not released by it, in that order. */
  load(of: ListOf, upTo: number): AsyncGenerator<ListedCertificate[]>;
  /** The last place up to a position that revoked or released anything in an account. */
  lastChange(account: string, upTo: number): Promise<number>;
  /** How far the log is applied. */
  position(): number;
};

const mostLists = 10_000;

type Slot = ListOf & { list: List | undefined; waiting: LogEntry[]; loading: Promise<List> };

export type Lists = ReturnType<typeof createLists>;

/** The contents of lists that were asked for: loaded once, then kept by the log. */
export function createLists({ load, lastChange, position }: Deps) {
  let slots = new LRUCache<string, Slot>({ max: mostLists });

  const fill = async (slot: Slot): Promise<List> => {
    const upTo = position();
    const list: List = { entries: createEntries(), lastChange: await lastChange(slot.account, upTo), gone: new Set() };
    for await (const page of load(slot, upTo)) for (const certificate of page) list.entries.add(listed(certificate));
    // What was revoked again after `upTo` is not in the registry at its old place: the log's word about it follows.
    for (const entry of slot.waiting) change(list, slot, entry);
    slot.waiting = [];
    return (slot.list = list);
  };

  const forget = (issuerId: string): void => {
    for (const [key, slot] of [...slots.entries()]) if (slot.issuerId === issuerId) slots.delete(key);
  };

  return {
    /** The contents of a list; they change with the log. */
    get(of: ListOf): Promise<List> {
      const key = `${of.issuerId} ${of.scope} ${of.listSuperseded}`;
      const known = slots.get(key);
      if (known) return known.loading;
      const slot = { ...of, list: undefined, waiting: [] } as unknown as Slot;
      slots.set(key, slot);
      slot.loading = fill(slot);
      slot.loading.catch(() => slots.delete(key));
      return slot.loading;
    },

    apply(entry: LogEntry): void {
      if (entry.type === 'issuer') return forget(entry.payload['issuer'] as string);
      if (entry.type !== 'certificate' && entry.type !== 'release') return;
      for (const slot of slots.values()) {
        if (slot.issuerId !== entry.payload['issuer'] || !isIn(slot, entry)) continue;
        if (slot.list) change(slot.list, slot, entry);
        else slot.waiting.push(entry);
      }
    },

    /** Forgets everything: the log is another one. */
    clear(): void {
      slots = new LRUCache({ max: mostLists });
    },
  };
}

function isIn({ scope }: ListOf, { payload }: LogEntry): boolean {
  return scope === 'complete' || scope === payload['scope'];
}

function change(list: List, { listSuperseded }: ListOf, { type, payload, position, at }: LogEntry): void {
  const { serialNumber, replaces, reason } = payload as { serialNumber: string; replaces?: number; reason: string };
  const removed = replaces !== undefined && list.entries.remove(replaces);
  const shown = type === 'certificate' && (listSuperseded || reason !== 'superseded');
  if (removed || shown) list.lastChange = position;
  if (!shown) {
    list.gone.add(serialNumber);
    return;
  }
  const { revokedAt, notAfter, index } = payload as { revokedAt?: string; notAfter: string; index: number };
  list.gone.delete(serialNumber);
  list.entries.add(
    listed({
      serialNumber,
      reason: reason as RevocationReason,
      revokedAt: revokedAt === undefined ? at : new Date(revokedAt),
      notAfter: new Date(notAfter),
      position,
      index,
    }),
  );
}

function listed({ position, notAfter, index, ...entry }: ListedCertificate): Listed {
  const revokedAt = revocationDateOf(entry.revokedAt);
  return {
    position,
    index,
    der: encodeCrlEntry({ ...entry, revokedAt }),
    until: notAfter.getTime() + keepAfterExpiryMs,
    date: revokedAt.getTime(),
  };
}
