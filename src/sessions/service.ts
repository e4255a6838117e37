import type { Grantee } from '../access/grantee.js';
import { requireRegistrant, requireRest, requireSessions } from '../access/registrant.js';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Transaction } from '../db/client.js';
import type { RecordedDecision } from '../decisions/recorder.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, mostSessionsOfProxy, tooMany } from '../limits.js';
import type { AppendLog } from '../log/append.js';
import { sessionEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import type { SessionReport } from './schema.js';
import type { Reporter, Session, SessionCounts, SessionStore } from './store.js';

type Deps = {
  store: SessionStore;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  log: AppendLog;
  cursorAt(position: number): string;
  /** Takes decisions that were made elsewhere into the sample, as far as it has room. */
  sampled(decisions: RecordedDecision[], now: number): void;
  /** Notes when things were last seen, by their names. */
  seen(account: string, things: { thingName: string; at: Date }[]): Promise<void>;
  /** Forgets what an edge had come to: another run of it has begun. */
  beginRun(tx: Transaction, id: string, incarnation: string): Promise<void>;
  /** Counts what an edge of an account denied. */
  denied(account: string, edge: string, counts: Record<string, number>): void;
};

const mostShown = 100;

export type SessionService = ReturnType<typeof createSessionService>;

/** Sessions of devices at edges: edges report them, and operators see and end them. */
export function createSessionService(deps: Deps) {
  const { store, commit, clock, audit, log, cursorAt, sampled, seen, beginRun, denied } = deps;

  return {
    /**
     * Notes what changed at an edge, and what it saw and decided since its last report.
     * @throws DomainError `not-found`, `forbidden`, `invalid-request`, `conflict`, `too-many-requests`
     */
    async report({ account, id: keyId }: Grantee, id: string, report: SessionReport): Promise<void> {
      const at = clock();
      const edge = await store.transaction(async (tx) => {
        const proxy = await store.lock(tx, account, id);
        requireRegistrant(proxy, id, keyId);
        requireSessions(proxy);
        requireRest(proxy, at, 'sessions are reported once a second: send this one again');
        requireContinuation(proxy, report, id);
        if (proxy.incarnation !== report.incarnation) await beginRun(tx, id, report.incarnation);
        const counts = await store.write(tx, account, id, report, at);
        if (counts) requireRoom(counts);
        return proxy.name;
      });
      const now = at.getTime();
      denied(account, edge, report.denied);
      sampled(
        report.decisions.map(({ policy = null, ...rest }) => ({
          ...rest,
          account,
          policy,
          at: notAfter(rest.at, at),
        })),
        now,
      );
      const opened = report.opened.map(({ thingName, connectedAt }) => ({ thingName, at: connectedAt }));
      await seen(
        account,
        [...opened, ...report.seen].map((each) => ({ thingName: each.thingName, at: notAfter(each.at, at) })),
      );
    },

    list: store.list,

    /** The newest live sessions of a thing, at most 100. */
    ofThing: (account: string, thingName: string): Promise<Session[]> => store.ofThing(account, thingName, mostShown),

    /** Tells edges to end a session; the device may reconnect. @throws DomainError `not-found` */
    async end(account: string, id: string, origin: Origin): Promise<{ position: number; cursor: string }> {
      const position = await commit(async (tx) => {
        const session = await store.find(tx, account, id);
        if (!session)
          throw new DomainError('not-found', `there is no session ${id}: GET /v1/sessions lists those that there are`);
        const { thingName, proxyName } = session;
        const at = clock();
        const detail = { thingName, proxy: proxyName };
        await audit(tx, { at, account, origin, action: 'session.end', target: `session:${id}`, detail });
        return Number(await log(tx, at, [sessionEntry(account, session)]));
      });
      return { position, cursor: cursorAt(position) };
    },

    sweep: store.sweep,
  };
}

/** What changed is of use where the rest is known. What comes late of the run before is neither that nor everything. */
function requireContinuation(proxy: Reporter, { incarnation, full }: SessionReport, id: string): void {
  const isOther = (run: string | null): boolean => run !== null && run !== incarnation;
  if (full || !(isOther(proxy.incarnation) || isOther(proxy.reportedRun))) return;
  throw new DomainError(
    'conflict',
    `the sessions of ${id} are not known: it has another run, or a backup was restored. Send all of them with full`,
  );
}

function requireRoom({ ofProxy, ofAccount }: SessionCounts): void {
  if (ofProxy > mostSessionsOfProxy)
    throw tooMany('sessions at this edge', mostSessionsOfProxy, 'spread the devices over more edges');
  if (ofAccount > mostOfAccount.sessions)
    throw tooMany('sessions', mostOfAccount.sessions, 'DELETE /v1/proxies/{id} edges that are no more');
}

/** No device was seen in the future, whatever the clock of its edge says. */
function notAfter(text: string, at: Date): Date {
  return new Date(Math.min(Date.parse(text), at.getTime()));
}
