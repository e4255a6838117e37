import { rfc3339 } from '../clock.js';
import type { CompiledStatement } from '../policy/compile.js';
import type { Verdict } from './judge.js';
import type { PrincipalForm, Question } from './question.js';

// Answers are put together from text that was made before: names, ids and cursors have forms that need no escaping.
const decided = new WeakMap<CompiledStatement, string>();

/** The answer to one question, JSON; after the members that `head` begins with. */
export function replyTo(verdict: Verdict, head = '{'): string {
  const { refusal, statement, cursor, refresh, limits, detail } = verdict;
  const decision = statement ? decidedBy(statement) : `"decision":"deny","reasons":["${refusal!}"]`;
  const validUntil = secondsOf(verdict.validUntil);
  return `${head}${decision},"validUntil":"${validUntil}","cursor":"${cursor}"${refresh ? ',"refresh":true' : ''}${limits === undefined ? '' : `,"limits":${limits}`}${detail === undefined ? '}' : `,"detail":${JSON.stringify(detail)}}`}`;
}

/** The header that says what was decided, for whoever does not read the body. */
export function decisionHeader({ allowed }: Verdict): [name: string, value: string] {
  return ['thingward-decision', allowed ? 'allow' : 'deny'];
}

function decidedBy(statement: CompiledStatement): string {
  const known = decided.get(statement);
  if (known !== undefined) return known;
  const { denies, id, policy } = statement;
  const text = `"decision":"${denies ? 'deny' : 'allow'}","reasons":["${id}"],"policy":"${policy}","statement":"${id}"`;
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

const longest = 200;
// Longer ones are not valid, and need not be read for the log.
const longestToken = 8192;

/** What was denied to whom and why, for the log; null for an answer that allows. */
export function denialOf(verdict: unknown, question?: Partial<Question>): Record<string, string> | null {
  if (!isDenial(verdict)) return null;
  const { principal, action, resource } = question ?? {};
  const asked = { device: principal && deviceOf(principal), action, resource };
  const known = Object.entries(asked).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return {
    reason: verdict.refusal ?? verdict.statement?.id ?? 'unknown',
    ...Object.fromEntries(known.map(([name, text]) => [name, text.slice(0, longest)])),
  };
}

function isDenial(verdict: unknown): verdict is Verdict {
  return typeof verdict === 'object' && verdict !== null && (verdict as Partial<Verdict>).allowed === false;
}

/** Whom a question is about, as it says itself. Nothing of it was believed by this. */
function deviceOf({ thingName, fingerprint, certificatePem, token }: PrincipalForm): string | undefined {
  if (thingName !== undefined) return thingName;
  if (token !== undefined) return `token of ${claimedSubject(token) ?? 'nobody'}`;
  return fingerprint ?? (certificatePem === undefined ? undefined : 'a certificate');
}

function claimedSubject(token: string): string | undefined {
  if (token.length > longestToken) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(token.split('.', 2)[1] ?? '', 'base64url').toString()) as { sub?: unknown };
    return typeof claims.sub === 'string' ? claims.sub : undefined;
  } catch {
    return undefined;
  }
}
