import type { Verdict } from './judge.js';
import type { PrincipalForm, Question } from './question.js';

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
