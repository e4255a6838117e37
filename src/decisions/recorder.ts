import type { Context } from '../policy/condition.js';
import type { Verdict } from '../authorize/judge.js';
import type { Question } from '../authorize/question.js';

/** One decision of the sample. */
export type RecordedDecision = {
  account: string;
  at: Date;
  thingName: string;
  action: string;
  resource: string;
  context: Context;
  decision: 'allow' | 'deny';
  reason: string;
  policy: string | null;
};

// In each second the first so many decisions of an account are looked at, and so many that differ are kept; of all
// accounts together ten times as many. What one asks leaves room in the sample for the others.
const lookedAtPerSecond = 200;
const mostPerSecond = 20;
const shares = 10;
const longestText = 1024;

/** What was done for an account in this second. */
type Share = { lookedAt: number; kept: Set<string> };

/** A bounded sample of what was decided, for previews of policy changes and for audit. */
export function createRecorder(write: (decisions: RecordedDecision[]) => Promise<void>) {
  let kept: RecordedDecision[] = [];
  let second = 0;
  let lookedAt = 0;
  let keptNow = 0;
  const accounts = new Map<string, Share>();

  const shareOf = (account: string): Share => {
    const known = accounts.get(account);
    if (known) return known;
    const share = { lookedAt: 0, kept: new Set<string>() };
    accounts.set(account, share);
    return share;
  };

  /** What is left for an account in this second, if anything is. */
  const roomOf = (account: string, at: number): Share | undefined => {
    const now = Math.floor(at / 1000);
    if (now !== second) {
      second = now;
      lookedAt = 0;
      keptNow = 0;
      accounts.clear();
    }
    if (lookedAt >= shares * lookedAtPerSecond || keptNow >= shares * mostPerSecond) return undefined;
    const share = shareOf(account);
    if (share.lookedAt >= lookedAtPerSecond || share.kept.size >= mostPerSecond) return undefined;
    lookedAt++;
    share.lookedAt++;
    return share;
  };

  /** False for one that is like another of this second. */
  const isNew = ({ kept: known }: Share, thingName: string, action: string, resource: string): boolean => {
    const key = `${thingName} ${action} ${resource}`;
    if (known.has(key)) return false;
    known.add(key);
    keptNow++;
    return true;
  };

  return {
    record(account: string, thingName: string, question: Question, verdict: Verdict, at: number): void {
      const share = roomOf(account, at);
      const { action, resource, context = {} } = question;
      if (!share || !isStorable(question) || !isNew(share, thingName, action, resource)) return;
      const { statement, refusal } = verdict;
      kept.push({
        account,
        at: new Date(at),
        thingName,
        action,
        resource,
        context,
        decision: verdict.allowed ? 'allow' : 'deny',
        reason: statement?.id ?? refusal!,
        policy: statement?.policy ?? null,
      });
    },

    /** Takes decisions that were made elsewhere, as far as the sample has room for their account now. */
    accept(decisions: RecordedDecision[], now: number): void {
      for (const decision of decisions) {
        const { account, thingName, action, resource } = decision;
        const share = roomOf(account, now);
        if (share && isStorable(decision) && isNew(share, thingName, action, resource)) kept.push(decision);
      }
    },

    /** Writes the sample; one that cannot be written is dropped, it is only a sample. */
    async flush(): Promise<void> {
      if (kept.length === 0) return;
      const writing = kept;
      kept = [];
      await write(writing);
    },
  };
}

/** Text that is too long for a sample is not kept, nor what a database cannot hold: NUL and lone surrogates. */
function isStorable({ action, resource, context }: Pick<Question, 'action' | 'resource' | 'context'>): boolean {
  return [action, resource, context?.clientId, context?.protocol, context?.sourceIp].every(
    (text) => text === undefined || (text.length <= longestText && !/[\0\p{Cs}]/u.test(text)),
  );
}
