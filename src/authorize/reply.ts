import { rfc3339 } from '../clock.js';
import type { CompiledStatement } from '../policy/compile.js';
import type { Verdict } from './judge.js';

// Answers are put together from text that was made before: names, ids and cursors have forms that need no escaping.
const decided = new WeakMap<CompiledStatement, string>();

/** The answer to one question, JSON. */
export function replyTo(verdict: Verdict): string {
  const { refusal, statement, cursor, refresh, limits, detail } = verdict;
  const beginning = statement ? decidedBy(statement) : `{"decision":"deny","reasons":["${refusal!}"]`;
  const validUntil = secondsOf(verdict.validUntil);
  return `${beginning},"validUntil":"${validUntil}","cursor":"${cursor}"${refresh ? ',"refresh":true' : ''}${limits === undefined ? '' : `,"limits":${limits}`}${detail === undefined ? '}' : `,"detail":${JSON.stringify(detail)}}`}`;
}

/** The header that says what was decided, for whoever does not read the body. */
export function decisionHeader({ allowed }: Verdict): [name: string, value: string] {
  return ['thingward-decision', allowed ? 'allow' : 'deny'];
}

function decidedBy(statement: CompiledStatement): string {
  const known = decided.get(statement);
  if (known !== undefined) return known;
  const { denies, id, policy } = statement;
  const text = `{"decision":"${denies ? 'deny' : 'allow'}","reasons":["${id}"],"policy":"${policy}","statement":"${id}"`;
  decided.set(statement, text);
  return text;
}

let lastSecond = -1;
let lastText = '';

/** RFC 3339 in whole seconds, never later than it should be. */
function secondsOf(at: number): string {
  const second = Math.floor(at / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = rfc3339(new Date(second * 1000));
  }
  return lastText;
}
