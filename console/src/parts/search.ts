/** A question that stands in an address. */
export type WhySearch = {
  thing?: string;
  action?: string;
  resource?: string;
  sourceIp?: string;
  protocol?: string;
  time?: string;
};

const whyMembers = ['thing', 'action', 'resource', 'sourceIp', 'protocol', 'time'] as const;

/** Reads an address: whatever is none of the known members is left out. */
export function readWhySearch(given: Record<string, unknown>): WhySearch {
  return textsIn(given, whyMembers);
}

/** The members of an address that are there, as text. */
export function textsIn<Name extends string>(
  given: Record<string, unknown>,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const there = names
    .map((name) => [name, given[name]] as const)
    .filter(([, value]) => (typeof value === 'string' && value !== '') || typeof value === 'number')
    .map(([name, value]) => [name, String(value)] as const);
  return Object.fromEntries(there) as Partial<Record<Name, string>>;
}

/** The members of an address that are whole numbers from 1. */
export function numbersIn<Name extends string>(
  given: Record<string, unknown>,
  names: readonly Name[],
): Partial<Record<Name, number>> {
  const there = names
    .map((name) => [name, Number(given[name])] as const)
    .filter(([, value]) => Number.isSafeInteger(value) && value > 0);
  return Object.fromEntries(there) as Partial<Record<Name, number>>;
}
