import { keepAfterExpiryMs } from '../log/append.js';
import type { EntryOf, LogEntry } from '../log/entries.js';
import { DomainError } from '../errors.js';
import { encodeCrlEntry, type RevocationReason } from '../pki/crl.js';
import { revocationDateOf } from '../backdating.js';
import { createEntries, type Entries, type Listed } from './entries.js';

/** What a list is about. `complete` and the numbers of shards are scopes; a delta is made of the complete one. */
export type ListOf = { issuerId: string; account: string; scope: string; listSuperseded: boolean };

/** A revoked certificate, as the registry or the log reports it. */
export type ListedCertificate = {
  serialNumber: string;
  reason: RevocationReason;
  revokedAt: Date;
  notAfter: Date;
  position: number;
  index: number;
};

/** An authority, with the settings that its lists follow. */
export type ListedIssuer = {
  id: string;
  account: string;
  listSuperseded: boolean;
  deltaList: boolean;
  /** Whether the complete list says which distribution point it is for. */
  distributionPoint: boolean;
  /** Seconds that caches may keep a list without asking. */
  listMaxAge: number;
  notAfter: Date;
};

/**
 * The contents of a list, as of a place in the log that it knows itself. After every `await` its user asks whether it
 * `isLive`: a list that was retired hears nothing more of the log, and its work is discarded.
 */
export type List<Stored extends ListedIssuer = ListedIssuer> = {
  /** The authority under the settings that the contents follow. Others retire the list. */
  readonly issuer: Stored;
  readonly of: ListOf;
  readonly entries: Entries;
  /** Where in the log the last entry stands that this list must show. */
  lastChange: number;
  /** Where in the log its account's authorities were last configured; known where there is a delta list. */
  readonly configuredAt: number;
  /** Serial numbers that were released, or superseded and not listed for it: these may leave the list. */
  gone: Set<string>;
  /** How far the log is applied to this list: it stands still once the list is retired. */
  position(): number;
  isLive(): boolean;
};

type Deps<Stored extends ListedIssuer> = {
  /** An authority as it is now; undefined when there is none. */
  findIssuer(id: string): Promise<Stored | undefined>;
  /** Certificates of a list that were revoked at or before a position and not released by it, in that order. */
  load(of: ListOf, upTo: number): AsyncGenerator<ListedCertificate[]>;
  /** The last place up to a position that revoked or released anything in an account, or configured its authorities. */
  lastChange(account: string, upTo: number): Promise<number>;
  /** The last place up to a position that configured an account's authorities. */
  lastConfigured(account: string, upTo: number): Promise<number>;
  /** How far the log is applied. */
  position(): number;
  /** Resolves when everything that was committed before the call is applied. It must not wait for a list. */
  catchUp(): Promise<void>;
  /** Lists that are kept when nobody uses them. */
  most?: number;
};

type Slot<Stored extends ListedIssuer> = {
  key: string;
  issuerId: string;
  scope: string;
  /** How many work with the list: it is not evicted under them. */
  users: number;
  /** Where the log stood when the slot was given up. */
  retiredAt: number | undefined;
  list: List<Stored> | undefined;
  /** Entries that came while the list was being loaded. */
  waiting: CertificateEntry[];
  loading: Promise<List<Stored>>;
};

type CertificateEntry = EntryOf<'certificate' | 'release'>;

const mostLists = 10_000;

export type Lists<Stored extends ListedIssuer> = ReturnType<typeof createLists<Stored>>;

/** The contents of lists that were asked for: loaded once, then kept by the log. */
export function createLists<Stored extends ListedIssuer>(deps: Deps<Stored>) {
  const { findIssuer, load, lastChange, lastConfigured, position, catchUp, most = mostLists } = deps;
  // Least recently used first. A slot is here and in the index until it is retired, and never again.
  const slots = new Map<string, Slot<Stored>>();
  const byIssuer = new Map<string, Set<Slot<Stored>>>();

  const retire = (slot: Slot<Stored>): void => {
    if (slot.retiredAt !== undefined) return;
    slot.retiredAt = position();
    slots.delete(slot.key);
    const siblings = byIssuer.get(slot.issuerId)!;
    siblings.delete(slot);
    if (siblings.size === 0) byIssuer.delete(slot.issuerId);
  };

  const evict = (): void => {
    for (const slot of slots.values()) {
      if (slots.size <= most) return;
      if (slot.users === 0) retire(slot);
    }
  };

  const fill = async (slot: Slot<Stored>): Promise<List<Stored>> => {
    const upTo = position();
    // Read after the slot was registered: settings that change from here on retire it.
    const issuer = await findIssuer(slot.issuerId);
    if (!issuer) throw new DomainError('not-found', `there is no issuer ${slot.issuerId}`);
    const { account, listSuperseded, deltaList } = issuer;
    const list: List<Stored> = {
      issuer,
      of: { issuerId: slot.issuerId, account, scope: slot.scope, listSuperseded },
      entries: createEntries(),
      lastChange: await lastChange(account, upTo),
      configuredAt: deltaList ? await lastConfigured(account, upTo) : 0,
      gone: new Set(),
      position: () => slot.retiredAt ?? position(),
      isLive: () => slot.retiredAt === undefined,
    };
    for await (const page of load(list.of, upTo)) for (const certificate of page) list.entries.add(listed(certificate));
    // What was revoked again after `upTo` is not in the registry at its old place. The pages may have been read after
    // such a commit and before it was applied here: with everything applied, the log's word about it is waiting.
    await catchUp();
    for (const entry of slot.waiting) change(list, entry);
    slot.waiting = [];
    return (slot.list = list);
  };

  const slotOf = (issuerId: string, scope: string): Slot<Stored> => {
    const key = `${issuerId} ${scope}`;
    const known = slots.get(key);
    if (known) {
      slots.delete(key);
      slots.set(key, known);
      return known;
    }
    const fresh = { key, issuerId, scope, users: 0, retiredAt: undefined, list: undefined, waiting: [] };
    const slot = fresh as unknown as Slot<Stored>;
    slots.set(key, slot);
    byIssuer.set(issuerId, (byIssuer.get(issuerId) ?? new Set()).add(slot));
    slot.loading = fill(slot);
    slot.loading.catch(() => retire(slot));
    return slot;
  };

  const tell = (entry: CertificateEntry): void => {
    for (const slot of byIssuer.get(entry.payload.issuer) ?? []) {
      if (!isIn(slot, entry)) continue;
      if (slot.list) change(slot.list, entry);
      else slot.waiting.push(entry);
    }
  };

  return {
    /**
     * Works with the contents of a list, which is not evicted meanwhile. It may be retired: `work` asks after every
     * `await`. Ask only for lists that have a record. @throws DomainError `not-found`
     */
    async use<Result>(
      issuerId: string,
      scope: string,
      work: (list: List<Stored>) => Result | Promise<Result>,
    ): Promise<Result> {
      const slot = slotOf(issuerId, scope);
      slot.users++;
      try {
        return await work(await slot.loading);
      } finally {
        slot.users--;
        evict();
      }
    },

    apply(entry: LogEntry): void {
      switch (entry.type) {
        case 'certificate':
        case 'release':
          return tell(entry);
        case 'issuer':
          return byIssuer.get(entry.payload.issuer)?.forEach(retire);
        case 'thing':
        case 'thing-changed':
        case 'token-family':
        case 'policy':
        case 'segment':
        case 'key':
        case 'token-keys':
        case 'account':
        case 'session':
        case 'command':
        case 'pipeline':
        case 'person':
        case 'authority':
        case 'unknown':
          return;
      }
    },

    /** Retires everything: the log is another one. */
    clear(): void {
      for (const slot of [...slots.values()]) retire(slot);
    },

    /** How many lists are held. */
    size: (): number => slots.size,
  };
}

function isIn({ scope }: { scope: string }, { payload }: CertificateEntry): boolean {
  return scope === 'complete' || scope === payload.scope;
}

function change(list: List, entry: CertificateEntry): void {
  const { position, at } = entry;
  const { serialNumber, replaces, notAfter, index } = entry.payload;
  const removed = replaces !== undefined && list.entries.remove(replaces);
  const shown = entry.type === 'certificate' && (list.of.listSuperseded || entry.payload.reason !== 'superseded');
  if (removed || shown) list.lastChange = position;
  if (!shown) {
    list.gone.add(serialNumber);
    return;
  }
  const { reason, revokedAt } = entry.payload;
  list.gone.delete(serialNumber);
  list.entries.add(
    listed({
      serialNumber,
      reason,
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
