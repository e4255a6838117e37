import type { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { DomainError } from '../../errors.js';
import type { Verdict } from '../judge.js';
import type { Question } from '../question.js';
import { replyTo } from '../reply.js';
import type { streamedQuestion } from '../schema.js';

type Id = z.output<typeof streamedQuestion>['id'];
/** A question, and what its answer is known by. */
export type Asked = Question & { id: Id };

type Deps = {
  authorize(caller: Grantee, question: Question): Verdict | Promise<Verdict>;
  /** JSON without members that mean something to JavaScript. @throws SyntaxError */
  parse(text: string): unknown;
  /** The message if it has the shape of a question. @throws DomainError `invalid-request` */
  requireShape(message: object, text: string): Asked;
  /** A failure as a problem document. */
  problemOf(failure: unknown): object;
};

/** Answers the messages of one stream: each gets one answer, `{ id, …answer }` or `{ id, problem }`. */
export function createAsking({ authorize, parse, requireShape, problemOf }: Deps) {
  const failed = (id: Id | null, failure: unknown): string => JSON.stringify({ id, problem: problemOf(failure) });

  return {
    /** The id of what could not be asked stays with its problem, where it can be read. */
    failed,

    /** The answer, JSON; a promise only when something has to be read. Never throws. */
    answer(caller: Grantee, text: string): string | Promise<string> {
      let id: Id | null = null;
      try {
        const message = parseObject(text, parse);
        id = idOf(message);
        const question = requireShape(message, text);
        const known = question.id;
        const verdict = authorize(caller, question);
        if (!(verdict instanceof Promise)) return answerTo(known, verdict);
        return verdict.then((late) => answerTo(known, late)).catch((error: unknown) => failed(known, error));
      } catch (error) {
        return failed(id, error);
      }
    },
  };
}

/** The answer begins like every answer, with the id before it. */
function answerTo(id: Id, verdict: Verdict): string {
  return replyTo(verdict, `{"id":${typeof id === 'number' ? id : JSON.stringify(id)},`);
}

function parseObject(text: string, parse: Deps['parse']): Record<string, unknown> {
  try {
    const message = parse(text);
    if (typeof message === 'object' && message !== null && !Array.isArray(message)) return message as never;
  } catch {
    // Told below.
  }
  throw new DomainError(
    'invalid-request',
    'message: must be one JSON object: { "id", "principal", "action", "resource" }',
  );
}

function idOf({ id }: Record<string, unknown>): Id | null {
  return (typeof id === 'string' && id.length <= 200) || Number.isSafeInteger(id) ? (id as Id) : null;
}
