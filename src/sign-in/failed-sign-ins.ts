import { LRUCache } from 'lru-cache';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Count } from '../figures/counters.js';
import type { Database } from '../db/client.js';
import { DomainError, type ErrorCode } from '../errors.js';
import type { Origin } from '../origin.js';

type Deps = {
  db: Pick<Database, 'account'> & Parameters<AppendAudit>[0];
  audit: AppendAudit;
  clock: Clock;
  count: Count;
};

/** Whom somebody says they are, as far as that is known: a person or a provider, or no more than the account. */
export type Named = { account: string; person?: string | undefined; provider?: string | undefined };

/** What somebody tries, and from where. */
export type Attempt = { action?: 'sign-in' | 'step-up'; method: string; origin: Origin };

/** What was recorded since an hour began, and what was not. */
type Hour = { begun: number; entries: number; missing: number };

export type FailedSignIns = ReturnType<typeof createFailedSignIns>;

/** How many failures at one person, at one provider, and at names that an account does not have, an instance records in an hour. */
export const mostRecordedInHour = 20;

/** How many failures of an account it records in an hour. */
export const mostOfAccountInHour = 200;

const hourMs = 3_600_000;
const recorded: ReadonlySet<ErrorCode> = new Set(['invalid-credential', 'sign-in-refused', 'account-suspended']);

/**
 * Records who failed to sign in. Guessing cannot fill the database: a target has so many entries in an hour, and an account too, and the
 * next one says how many are missing. Names that nobody has count for their account together, and are not written down: people type passwords there.
 */
export function createFailedSignIns({ db, audit, clock, count }: Deps, onError: (error: unknown) => void) {
  const hours = new LRUCache<string, Hour>({ max: 10_000 });
  const writing = new Set<Promise<void>>();

  const hourOf = (key: string, at: Date): Hour => {
    const known = hours.get(key);
    if (known && at.getTime() - known.begun < hourMs) return known;
    const hour = { begun: at.getTime(), entries: 0, missing: known?.missing ?? 0 };
    hours.set(key, hour);
    return hour;
  };

  /** How many failures at the target before this one have no entry; undefined where this one has none either. */
  const takeRoom = (account: string, target: string, at: Date): number | undefined => {
    const [ofAccount, ofTarget] = [hourOf(`all of ${account}`, at), hourOf(`${account} ${target}`, at)];
    if (ofTarget.entries >= mostRecordedInHour || ofAccount.entries >= mostOfAccountInHour) {
      ofTarget.missing++;
      return undefined;
    }
    ofTarget.entries++;
    ofAccount.entries++;
    const { missing } = ofTarget;
    ofTarget.missing = 0;
    return missing;
  };

  const record = async (
    { account, person, provider }: Named,
    { action = 'sign-in', method, origin }: Attempt,
    problem: ErrorCode,
  ): Promise<void> => {
    const target = person ? `person:${person}` : provider ? `provider:${provider}` : `account:${account}`;
    // An account that does not exist has no audit, and takes no place here.
    if (!person && !provider && !(await db.account.findUnique({ where: { name: account } }))) return;
    // What names the account `default` is among all that was refused, which counts there.
    if (account !== 'default') count(account, 'credentials.failed');
    const at = clock();
    const missing = takeRoom(account, target, at);
    if (missing === undefined) return;
    const detail = { method, problem, ...(missing === 0 ? {} : { unrecorded: missing }) };
    await audit(db, { at, account, origin, action: `person.${action}-failed`, target, detail });
  };

  return {
    /**
     * Does work that judges who signs in, and records its refusal once the work has said whom it is about. Nobody waits for the entry:
     * the answer takes as long for a name that nobody has.
     */
    async watching<Result>(
      attempt: Attempt,
      work: (about: (named: Named) => void) => Promise<Result>,
    ): Promise<Result> {
      let about: Named | undefined;
      try {
        return await work((named) => (about = named));
      } catch (error) {
        if (about && error instanceof DomainError && recorded.has(error.code)) {
          const entry = record(about, attempt, error.code).catch(onError);
          writing.add(entry);
          void entry.finally(() => writing.delete(entry));
        }
        throw error;
      }
    },

    /** Waits until every entry is written. */
    async close(): Promise<void> {
      await Promise.all(writing);
    },
  };
}
