import { replyTo } from '../../authorize/reply.js';
import { presentedFingerprint, type Question } from '../../authorize/question.js';
import type { Verdict } from '../../authorize/judge.js';
import { ControlPlaneError, type ControlPlane } from './control-plane.js';
import type { Guests } from './guests.js';

/** A question as `POST /v1/authorize` takes it. */
export type DeciderQuestion = Pick<Question, 'principal' | 'action' | 'resource' | 'context'>;

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
  limits?: object;
  detail?: string;
};

type Deps = {
  guests: Guests;
  controlPlane: Pick<ControlPlane, 'post'>;
  now(): number;
};

/** Answers a question by what is known here. @throws ControlPlaneError, DomainError `invalid-request` for an unreadable certificate */
export async function decisionOf(question: DeciderQuestion, deps: Deps): Promise<Answer> {
  const { principal: form } = question;
  if (form.thingName !== undefined) return deps.controlPlane.post<Answer>('/v1/authorize', question);
  const { guests, now } = deps;
  const refused = guests.closed();
  if (refused) throw new ControlPlaneError(refused.barred === 'refused' ? 'refused' : 'away', refused.detail);
  const found = form.token === undefined ? await holderOf(question, deps) : guests.readToken(form.token);
  const asker = guests.askerFor(true);
  const subject = guests.core.subjectOf(asker, form, found, now());
  const verdict: Verdict =
    typeof subject === 'string'
      ? guests.core.refuse(asker, subject, now())
      : guests.core.decideFor(asker, subject, question, now());
  return JSON.parse(replyTo(verdict)) as Answer;
}

async function holderOf({ principal }: DeciderQuestion, { guests }: Deps) {
  const fingerprint = presentedFingerprint(principal);
  return fingerprint === undefined ? undefined : guests.holder(fingerprint);
}
