import { rfc3339 } from '../../clock.js';
import { createJudge, type Verdict } from '../../authorize/judge.js';
import { presentedFingerprint, type Question } from '../../authorize/question.js';
import { createAskers, farAway } from './barring.js';
import { ControlPlaneError, type ControlPlane } from './control-plane.js';
import type { Guests } from './guests.js';
import type { Known } from './known.js';
import type { Principals } from './principals.js';

/** An answer as `POST /v1/authorize` gives it. */
export type Answer = {
  decision: 'allow' | 'deny';
  reasons: string[];
  policy?: string;
  statement?: string;
  /** RFC 3339. */
  validUntil: string;
  cursor: string;
  refresh?: true;
  limits?: Record<string, unknown>;
  /** Why nothing could be decided. */
  detail?: string;
};

type Deps = {
  known: Known;
  principals: Principals;
  guests: Guests;
  controlPlane: Pick<ControlPlane, 'post'>;
  now(): number;
  /** Resolves once the log is applied up to a cursor. @throws Error */
  reach(cursor: string): Promise<void>;
  failed(error: Error): void;
  /** The control plane answered what it was asked. */
  answered(): void;
};

// As the control plane has it where it is not told otherwise.
const validitySeconds = { others: 5, followers: 60 };

/** Answers questions by what is known here, as the control plane does at the same place in the log. */
export function createAnswers({ known, principals, guests, controlPlane, now, reach, failed, answered }: Deps) {
  const askerOf = createAskers(known);
  const judge = createJudge({ snapshot: known.snapshot, cursor: known.cursor, validitySeconds });

  const undecided = (detail: string): Answer => answerOf(judge.refuseFor('cannot-decide', now()), detail);

  const decideBy = (question: Question, found: Parameters<typeof judge.subjectOf>[2]): Answer => {
    const why = guests.closed();
    if (why) return undecided(why.detail);
    const asker = askerOf(true);
    const at = now();
    const subject = judge.subjectOf(asker, question.principal, found, at);
    return answerOf(
      typeof subject === 'string' ? judge.refuse(asker, subject, at) : judge.decideFor(asker, subject, question, at),
    );
  };

  const late = async (question: Question, found: Promise<Parameters<typeof decideBy>[1]>): Promise<Answer> => {
    try {
      const holder = await found;
      answered();
      return decideBy(question, holder);
    } catch (error) {
      if (!(error instanceof ControlPlaneError)) throw error;
      failed(error);
      return undecided(error.message);
    }
  };

  const decideNow = (question: Question): Answer | Promise<Answer> => {
    const { principal: form } = question;
    const why = guests.closed();
    if (why) return undecided(why.detail);
    if (form.token !== undefined) return decideBy(question, guests.readToken(form.token));
    const fingerprint = presentedFingerprint(form);
    if (fingerprint === undefined) return decideBy(question, undefined);
    const kept = principals.kept(fingerprint);
    if (kept) return decideBy(question, kept.known);
    if (!guests.isHeard()) return undecided(farAway.detail);
    return late(question, Promise.resolve(principals.find(fingerprint)));
  };

  const askThere = async (question: Question): Promise<Answer> => {
    try {
      const answer = await controlPlane.post<Answer>('/v1/authorize', question);
      answered();
      return answer;
    } catch (error) {
      if (!(error instanceof ControlPlaneError) || error.failure === 'rejected') throw error;
      failed(error);
      return undecided(error.message);
    }
  };

  return (question: Question): Answer | Promise<Answer> => {
    if (question.principal.thingName !== undefined) return askThere(question);
    if (question.atLeast === undefined) return decideNow(question);
    return reach(question.atLeast).then(
      () => decideNow(question),
      (error: Error) => undecided(error.message),
    );
  };
}

let lastSecond = -1;
let lastText = '';
let lastLimits: { text: string; limits: Record<string, unknown> } | undefined;

function answerOf(
  { allowed, refusal, statement, validUntil, cursor, refresh, limits }: Verdict,
  detail?: string,
): Answer {
  const answer: Answer = {
    decision: allowed ? 'allow' : 'deny',
    reasons: [statement?.id ?? refusal!],
    validUntil: secondsOf(validUntil),
    cursor,
  };
  if (statement) {
    answer.policy = statement.policy;
    answer.statement = statement.id;
  }
  if (refresh) answer.refresh = true;
  if (limits !== undefined) answer.limits = limitsOf(limits);
  if (detail !== undefined) answer.detail = detail;
  return answer;
}

function limitsOf(text: string): Record<string, unknown> {
  if (lastLimits?.text !== text) lastLimits = { text, limits: JSON.parse(text) as Record<string, unknown> };
  return { ...lastLimits.limits };
}

/** Whole seconds, never later than it should be. */
function secondsOf(at: number): string {
  const second = Math.floor(at / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = rfc3339(new Date(second * 1000));
  }
  return lastText;
}
