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

  return {
    record(account: string, thingName: string, question: Question, verdict: Verdict, at: number): void {
      const now = Math.floor(at / 1000);
      if (now !== second) {
        second = now;
        lookedAt = 0;
        keptNow = 0;
        accounts.clear();
      }
      if (lookedAt >= shares * lookedAtPerSecond || keptNow >= shares * mostPerSecond) return;
      const share = shareOf(account);
      if (share.lookedAt >= lookedAtPerSecond || share.kept.size >= mostPerSecond) return;
      lookedAt++;
      share.lookedAt++;
      const key = `${thingName} ${question.action} ${question.resource}`;
      if (share.kept.has(key) || !isStorable(question)) return;
      share.kept.add(key);
      keptNow++;
      const { action, resource, context = {} } = question;
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
function isStorable({ action, resource, context }: Question): boolean {
  return [action, resource, context?.clientId, context?.protocol, context?.sourceIp].every(
    (text) => text === undefined || (text.length <= longestText && !/[\0\p{Cs}]/u.test(text)),
  );
}
