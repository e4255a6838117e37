import { setImmediate as turn } from 'node:timers/promises';
import type fc from 'fast-check';
import { appendAudit } from '../../src/audit/store.js';
import { loadSnapshot } from '../../src/authorize/snapshot-store.js';
import { createSnapshot } from '../../src/authorize/snapshot.js';
import type { Clock } from '../../src/clock.js';
import type { Commit, Database } from '../../src/db/client.js';
import { DomainError } from '../../src/errors.js';
import type { Door, Follower } from '../../src/door.js';
import { createFeed } from '../../src/feed/feature.js';
import { createFailureLimiter } from '../../src/http/failure-limiter.js';
import { createIssuers } from '../../src/issuers/feature.js';
import { createLists } from '../../src/lists/feature.js';
import { appendLog } from '../../src/log/append.js';
import { createLogReader, readLog } from '../../src/log/reader.js';
import { createOcsp } from '../../src/ocsp/feature.js';
import { createRevocation } from '../../src/revocation/feature.js';
import type { Sealer } from '../../src/sealing.js';

/**
 * Decides when every call to the database begins, and when its answer arrives. Between two decisions everything else
 * comes to rest, so that a schedule is the same each time that it is run.
 */
export function createGate() {
  let scheduler: fc.Scheduler | undefined;
  let running = 0;
  let calls = 0;

  const pass = async <Result>(label: string, work: () => PromiseLike<Result>): Promise<Result> => {
    if (!scheduler) return work();
    await scheduler.schedule(Promise.resolve(), `${label} begins`);
    running++;
    calls++;
    const outcome = await Promise.allSettled([work()]);
    running--;
    await scheduler?.schedule(Promise.resolve(), `${label} ends`);
    if (outcome[0].status === 'rejected') throw outcome[0].reason;
    return outcome[0].value;
  };

  const rest = async (): Promise<void> => {
    for (let quiet = 0; quiet < 3; quiet = running > 0 ? 0 : quiet + 1) await turn();
  };

  return {
    pass,
    calls: (): number => calls,
    /** A database whose calls pass the gate; a transaction is one call. */
    guard: (db: Database): Database => guard(db, pass),
    /** Runs work to its end under a scheduler. */
    async run(by: fc.Scheduler, work: () => Promise<unknown>): Promise<void> {
      scheduler = by;
      let ended = false;
      const all = work().finally(() => (ended = true));
      all.catch(() => {});
      try {
        for (await rest(); !ended; await rest()) if (by.count() > 0) await by.waitNext(1);
      } finally {
        scheduler = undefined;
        while (by.count() > 0) await by.waitNext(1);
      }
      await all;
    },
  };
}

const rawCalls = new Set(['$queryRaw', '$executeRaw', '$transaction']);

function guard(db: Database, pass: ReturnType<typeof createGate>['pass']): Database {
  const wrap = (target: object, name: string, isCall: (verb: string) => boolean): object =>
    new Proxy(target, {
      get(of, key) {
        const value = Reflect.get(of, key) as unknown;
        const label = `${name}${String(key)}`;
        if (typeof value === 'function' && isCall(String(key)))
          return (...args: unknown[]) =>
            pass(label, () => (value as (...all: unknown[]) => PromiseLike<unknown>).apply(of, args));
        const isModel = name === '' && typeof key === 'string' && /^[a-z]/.test(key) && typeof value === 'object';
        return isModel && value ? wrap(value, `${key}.`, () => true) : value;
      },
    });
  return wrap(db, '', (verb) => rawCalls.has(verb)) as Database;
}

type Settings = { db: Database; sealer: Sealer; clock: Clock; mostLists: number; onError(error: unknown): void };

/**
 * Instances of everything that follows the log, on one database. Their leases are those of log/leases.ts without its
 * clocks: a writer waits for every instance that was granted one, and an instance answers once it has read the log after
 * the grant.
 */
export async function createInstances(count: number, settings: Settings) {
  const instances: Awaited<ReturnType<typeof createInstance>>[] = [];
  const settle = async (by: { catchUp(): Promise<void>; position(): number }): Promise<void> => {
    await by.catchUp();
    const position = by.position();
    for (const other of instances)
      while (other.lease.granted && other.log.position() < position) await other.log.catchUp();
  };
  while (instances.length < count) instances.push(await createInstance(settings, settle));
  return instances;
}

async function createInstance(
  { db, sealer, clock, mostLists, onError }: Settings,
  settle: (by: { catchUp(): Promise<void>; position(): number }) => Promise<void>,
) {
  const lease = { granted: true, held: true };
  const snapshot = createSnapshot();
  const followers: Follower[] = [];
  const reader = await createLogReader({
    read: (after) => readLog(db, after),
    async load() {
      const { epoch, lineage, position, ...contents } = await loadSnapshot(db, clock());
      const install = (): void => {
        snapshot.load(contents);
        for (const { clear } of followers) clear();
      };
      return { epoch, lineage, position, install };
    },
    apply(entry) {
      for (const { apply } of followers) apply(entry);
    },
  });
  const commit: Commit = async (work) => {
    const result = await db.$transaction(work);
    await settle(reader);
    return result;
  };
  const log = {
    ...reader,
    mayAnswer: () => lease.held,
    requireLease(): void {
      if (!lease.held) throw new DomainError('not-ready', 'the lease was lost');
    },
    cursorAt: (position: number) => `${reader.epoch()}:${position}`,
  };
  const url = 'http://127.0.0.1:8080';
  const config = {
    publicUrl: url,
    pkiUrl: url,
    caKeyType: 'ec-p256' as const,
    streams: { perKey: 100, perAccount: 100 },
  };
  const unasked = () => Promise.reject(new Error('nobody asks for this'));
  const shared = { db, commit, clock, sealer, config, onError, audit: appendAudit, log: appendLog, reader: log };
  const issuers = createIssuers({ ...shared, lists: () => lists.verbs });
  const nobody = () => {};
  const lists = createLists({
    ...shared,
    tell: { info: nobody, warn: nobody, error: nobody },
    mostLists,
    issuers: issuers.verbs,
    signer: () => ({ kid: 'none', alg: 'none', sign: () => Buffer.alloc(0) }),
  });
  const ocsp = createOcsp({ ...shared, issuers: issuers.verbs, findSerials: lists.verbs.findSerials });
  const feed = createFeed({ ...shared, issuers: issuers.verbs, requireLive: unasked });
  const revocation = createRevocation({
    ...shared,
    failures: createFailureLimiter(1, clock),
    tokens: { assertions: { verify: unasked, useUp: unasked }, verifyKeyProof: unasked, recognises: () => false },
    inAws: unasked,
    findGroup: unasked,
  });
  const followersOf = ({ follows = [] }: Door<unknown>): Follower[] => follows;
  followers.push(...followersOf(feed), { apply: snapshot.apply, clear: () => {} });
  followers.push(...[issuers, lists, ocsp].flatMap(followersOf));

  return {
    ...lists.verbs,
    compactLists: lists.verbs.compact,
    responder: ocsp.verbs,
    revoking: revocation.verbs,
    feed: feed.verbs.store,
    issuers: issuers.verbs,
    lease,
    log,

    /** The lease ends before the database forgets it. */
    async lose(): Promise<void> {
      lease.held = false;
      await Promise.resolve();
      lease.granted = false;
    },

    async regain(): Promise<void> {
      await reader.catchUp();
      lease.granted = true;
      await reader.catchUp();
      lease.held = true;
    },
  };
}
