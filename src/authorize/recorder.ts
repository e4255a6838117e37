import type { Context } from '../policy/condition.js';
import type { Question } from './schema.js';
import type { Verdict } from './service.js';

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

// In each second the first so many decisions are looked at, and so many that differ are kept.
const lookedAtPerSecond = 200;
const mostPerSecond = 20;
const longestText = 1024;

export type Recorder = ReturnType<typeof createRecorder>;

/** A bounded sample of what was decided, for previews of policy changes and for audit. */
export function createRecorder(write: (decisions: RecordedDecision[]) => Promise<void>) {
  let kept: RecordedDecision[] = [];
  let second = 0;
  let lookedAt = 0;
  const keptInSecond = new Set<string>();

  return {
    record(account: string, thingName: string, question: Question, verdict: Verdict, at: number): void {
      const now = Math.floor(at / 1000);
      if (now !== second) {
        second = now;
        lookedAt = 0;
        keptInSecond.clear();
      }
      if (lookedAt >= lookedAtPerSecond || keptInSecond.size >= mostPerSecond) return;
      lookedAt++;
      const key = `${thingName} ${question.action} ${question.resource}`;
      if (keptInSecond.has(key) || !isStorable(question)) return;
      keptInSecond.add(key);
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
