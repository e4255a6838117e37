import { authCases } from './cases/auth.js';
import { connectCases } from './cases/connect.js';
import { flowCases } from './cases/flow.js';
import { limitCases } from './cases/limits.js';
import { malformedCases } from './cases/malformed.js';
import { publishCases } from './cases/publish.js';
import { retainedCases } from './cases/retained.js';
import { sessionFiveCases } from './cases/sessions-of-five.js';
import { sessionCases } from './cases/sessions.js';
import { sharedCases } from './cases/shared.js';
import { subscribeCases } from './cases/subscribe.js';
import { unsubscribeCases } from './cases/unsubscribe.js';
import { willCases } from './cases/wills.js';
import type { Case } from './steps.js';

/** Every case. Those that wait for time come first, because others run beside them. */
export const cases: readonly Case[] = [
  ...flowCases,
  ...sessionCases,
  ...sessionFiveCases,
  ...willCases,
  ...connectCases,
  ...malformedCases,
  ...publishCases,
  ...retainedCases,
  ...subscribeCases,
  ...unsubscribeCases,
  ...sharedCases,
  ...limitCases,
  ...authCases,
]
  .sort((one, other) => pausesOf(other) - pausesOf(one))
  .map((each, number) => ({ ...each, number }));

function pausesOf({ steps }: Case): number {
  return steps.reduce((sum, step) => sum + (step.kind === 'pause' ? step.ms : 0), 0);
}

const names = new Set(cases.map(({ name }) => name));
if (names.size < cases.length) {
  const twice = cases.filter(({ name }, place) => cases.findIndex((each) => each.name === name) < place);
  throw new Error(`cases with one name: ${twice.map(({ name }) => name).join(', ')}`);
}

/** The normative statements that the cases are about. */
export const statements = new Set(cases.flatMap((each) => each.statements));
