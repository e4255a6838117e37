import { DomainError } from '../../errors.js';
import type { Grantee } from '../../access/grantee.js';
import { inSlicesOf } from '../../slices.js';
import type { Verdict } from '../judge.js';
import { fewAtOnce, type AuthorizeService } from '../service.js';
import { questionOf } from './authzen-question.js';
import { evaluation, type Evaluation, type EvaluationAnswer, type Evaluations } from './authzen-schema.js';

type Late<Value> = Value | Promise<Value>;

export type AuthzenEvaluations = ReturnType<typeof createEvaluations>;

/** Decides what AuthZEN asks: the same answers as `/v1/authorize` gives for the name of a thing. */
export function createEvaluations(service: AuthorizeService) {
  const decide = (caller: Grantee, asked: Evaluation): Late<Verdict> => {
    const question = questionOf(asked);
    return typeof question === 'string' ? service.refused(caller, question) : service.authorize(caller, question);
  };

  /** One of many: what keeps it from being decided denies it, and does not affect the others. Without a lease there is no answer at all. */
  const decideOne = (caller: Grantee, shared: Members, written: unknown): Late<EvaluationAnswer> => {
    const asked = complete(shared, written);
    if (asked instanceof DomainError) return undecided(caller, asked, 400);
    const verdict = decide(caller, asked);
    if (!(verdict instanceof Promise)) return answerTo(verdict);
    return verdict.then(answerTo, (error: unknown) => undecided(caller, error, 503));
  };

  const undecided = (caller: Grantee, error: unknown, status: number): EvaluationAnswer => {
    const verdict = service.undecided(caller, error);
    const { decision, context } = answerTo(verdict);
    const message = verdict.detail ?? 'try again';
    return { decision, context: { ...context, error: { status, message } } };
  };

  return {
    /** @throws DomainError `not-ready` */
    one: (caller: Grantee, asked: Evaluation): Late<Verdict> => decide(caller, asked),

    /**
     * The answers in the order of the questions, as many as the semantic wants. A few milliseconds at a time: other
     * requests run in between. @throws DomainError `not-ready`
     */
    async all(caller: Grantee, { evaluations = [], options, ...shared }: Evaluations): Promise<EvaluationAnswer[]> {
      const stopsAt = stops[options?.evaluations_semantic ?? 'execute_all'];
      const atOnce = stopsAt === undefined ? fewAtOnce : 1;
      const answers: EvaluationAnswer[] = [];
      await inSlicesOf(evaluations, atOnce, async (some) => {
        answers.push(...(await Promise.all(some.map(async (each) => decideOne(caller, shared, each)))));
        return answers.at(-1)!.decision === stopsAt ? 'last' : undefined;
      });
      return answers;
    },
  };
}

/** The decision at which the rest is not asked. */
const stops: Record<string, boolean | undefined> = {
  execute_all: undefined,
  deny_on_first_deny: false,
  permit_on_first_permit: true,
};

/** A verdict in the words of AuthZEN. */
export function answerTo({ allowed, statement, refusal, validUntil }: Verdict): EvaluationAnswer {
  const reasons = [statement?.id ?? refusal!];
  return { decision: allowed, context: { reasons, validUntil: new Date(validUntil).toISOString() } };
}

type Members = Record<string, unknown>;

/** A question with what all share where it says nothing itself: a member is taken whole or not at all. */
export function complete(shared: Members, written: unknown): Evaluation | DomainError {
  if (typeof written !== 'object' || written === null || Array.isArray(written))
    return new DomainError('invalid-request', 'an evaluation is an object: send {} to use only the shared members');
  const own = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== null));
  const { success, data, error } = evaluation.safeParse({ ...shared, ...own });
  if (success) return data;
  const { path, message } = error.issues[0]!;
  return new DomainError(
    'invalid-request',
    `${path.join('.')}: ${message}; an evaluation needs subject, action and resource, its own or the shared ones`,
  );
}
