/** How much may still be looked at. Below zero, whatever is asked is answered with no. */
export type Budget = { left: number };

// Of one message, in tests: what is nested and branches on and on is refused, not looked at for seconds.
const mostTests = 400_000;

/** What one message may cost, in all schemas that judge it. */
export const schemaBudget = (): Budget => ({ left: mostTests });

/** Takes so much. False when there is not so much left. */
export function charge(budget: Budget, cost: number): boolean {
  budget.left -= cost;
  return budget.left >= 0;
}

// In an object of thousands, to list a name takes as long as some tests.
const costOfName = 4;

/** The names of members; undefined where the budget does not suffice for them. */
export function keysOf(value: object, budget: Budget): string[] | undefined {
  if (budget.left < 0) return undefined;
  const names = Object.keys(value);
  return charge(budget, names.length * costOfName) ? names : undefined;
}

/** Tells whether a value is the same as one of these, without an end to what it costs: each part that is compared is charged. */
export function createEquals(values: readonly unknown[]): (is: unknown, budget: Budget) => boolean {
  const simple = new Set(values.filter((value) => !isComposite(value)));
  const composite = values.filter(isComposite);
  return (is, budget) =>
    isComposite(is) ? composite.some((value) => charge(budget, 1) && equal(value, is, budget)) : simple.has(is);
}

const isComposite = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** As deep as `wanted`, which is of a document, whatever `is` may be. */
function equal(wanted: unknown, is: unknown, budget: Budget): boolean {
  if (!isComposite(wanted) || !isComposite(is)) return Object.is(wanted, is) || wanted === is;
  if (is instanceof Uint8Array || Array.isArray(wanted) !== Array.isArray(is)) return false;
  return Array.isArray(wanted)
    ? sameItems(wanted, is as unknown[], budget)
    : sameMembers(wanted as Members, is as Members, budget);
}

type Members = Record<string, unknown>;

function sameItems(wanted: unknown[], is: unknown[], budget: Budget): boolean {
  if (wanted.length !== is.length) return false;
  return wanted.every((each, index) => charge(budget, 1) && equal(each, is[index], budget));
}

function sameMembers(wanted: Members, is: Members, budget: Budget): boolean {
  const names = Object.keys(wanted);
  if (names.length !== keysOf(is, budget)?.length) return false;
  return names.every((name) => charge(budget, 1) && Object.hasOwn(is, name) && equal(wanted[name], is[name], budget));
}
