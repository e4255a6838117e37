import { decodeJwt } from 'jose';
import type { Grantee } from '../../src/access/grantee.js';
import type { Verdict } from '../../src/authorize/judge.js';
import { createPrincipals } from '../../src/authorize/principals.js';
import type { Question } from '../../src/authorize/question.js';
import { replyTo } from '../../src/authorize/reply.js';
import { createAuthorizeService } from '../../src/authorize/service.js';
import { loadSnapshot } from '../../src/authorize/snapshot-store.js';
import { createSnapshot, type Snapshot } from '../../src/authorize/snapshot.js';
import { createPrincipalStore, type PrincipalStore } from '../../src/authorize/store.js';
import { memorySeconds } from '../../src/authorize/snapshot.js';
import type { Clock } from '../../src/clock.js';
import type { Database } from '../../src/db/client.js';
import { policyEntry, segmentEntry } from '../../src/log/builders.js';
import { parseEntry, type LogEntry } from '../../src/log/entries.js';
import { readLog } from '../../src/log/reader.js';

/** Something that answers questions, in one line each, so that answers can be compared. */
export type Answerer = {
  ask(asker: Grantee, question: Question): string | Promise<string>;
  /** Forgets the principals that it remembers. */
  forget(): void;
};

/** Answers from a snapshot and a store of principals, wherever they come from. Signatures are for other tests. */
export function createAnswerer(
  snapshot: Snapshot,
  store: PrincipalStore,
  position: () => number,
  clock: Clock,
): Answerer {
  const verifyToken = (token: string) => {
    try {
      return decodeJwt(token) as Record<string, unknown>;
    } catch {
      return undefined;
    }
  };
  const cacheSize = { tokens: 1000, things: 1000 };
  const principals = createPrincipals({ store, snapshot, position, clock, verifyToken, cacheSize });
  const service = createAuthorizeService({
    clock,
    snapshot,
    principals,
    requireLease: () => {},
    cursor: () => 'cursor',
    reach: async () => {},
    seen: () => {},
    decided: () => {},
    counted: () => {},
    validitySeconds: { others: 30, followers: 60 },
  });
  const lineOf = (verdict: Verdict): string => `${verdict.validUntil} ${replyTo(verdict)}`;
  return {
    forget: principals.clear,
    ask(asker, question) {
      const verdict = service.authorize(asker, question);
      return verdict instanceof Promise ? verdict.then(lineOf) : lineOf(verdict);
    },
  };
}

/** The judge beside the database: a snapshot loaded from it, and its rows. */
export async function loadHere(db: Database, clock: Clock): Promise<Answerer> {
  const { position, ...contents } = await loadSnapshot(db, clock());
  const snapshot = createSnapshot();
  snapshot.load(contents);
  return createAnswerer(snapshot, createPrincipalStore(db), () => position, clock);
}

/** What went over a wire, in lines of JSON. */
export type Wire = { lines: number; bytes: number };

/**
 * The judge elsewhere: all that it knows came over a wire, as lines. It begins with entries made from one consistent state
 * and goes on with those of the log; principals are lines too.
 */
export async function followElsewhere(db: Database, clock: Clock, wire: Wire) {
  const carry = (value: unknown): unknown => {
    const line = `${JSON.stringify(value)}\n`;
    wire.lines++;
    wire.bytes += line.length;
    return JSON.parse(line) as unknown;
  };
  const snapshot = createSnapshot();
  const state = await loadSnapshot(db, clock());
  let { position } = state;
  for (const entry of entriesOf(state, clock())) snapshot.apply(parseEntry(carry(entry)));
  return {
    ...createAnswerer(snapshot, overWire(createPrincipalStore(db), carry), () => position, clock),

    /** Applies what the log says since, and forgets what is old. Returns how many entries that were. */
    async follow(): Promise<number> {
      const from = position;
      for (;;) {
        const { head, entries } = await readLog(db, position);
        for (const entry of entries) {
          const read = parseEntry(carry(entry));
          snapshot.apply(read);
          position = read.position;
        }
        if (position >= head) break;
      }
      snapshot.prune(new Date(clock().getTime() - memorySeconds * 1000));
      return position - from;
    },
  };
}

type State = Awaited<ReturnType<typeof loadSnapshot>>;

/** A state as entries: what is in force, and then what tokens that are still alive may not know. */
function entriesOf({ position, policies, segments, recent }: State, at: Date): LogEntry[] {
  return [
    ...policies.map(({ account, ...policy }) => ({ ...policyEntry(account, policy), position, at })),
    ...segments.map(({ account, ...segment }) => ({
      ...segmentEntry(account, segment.name, { ...segment, allowedProtocols: [...segment.allowedProtocols] }),
      position,
      at,
    })),
    ...recent,
  ];
}

function overWire(store: PrincipalStore, carry: (value: unknown) => unknown): PrincipalStore {
  const carryRow = <Row>(row: Row): Row => {
    if (!row) return row;
    const read = carry(row) as { notAfter?: string };
    return { ...read, ...(read.notAfter ? { notAfter: new Date(read.notAfter) } : {}) } as Row;
  };
  return {
    byFingerprint: async (fingerprint) => carryRow(await store.byFingerprint(fingerprint)),
    byName: async (...wanted) => carryRow(await store.byName(...wanted)),
    page: async (...wanted) => (await store.page(...wanted)).map(carryRow),
  };
}
