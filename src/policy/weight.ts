import type { PolicyDocument, Statement } from './document.js';
import { policyLimits } from './limits.js';

const charactersPerUnit = 64;

/**
 * How much there is to a document, as a number that grows as the work and the memory of deciding by it do: one for each
 * statement, action, level of a resource, window on a day, range and value, and one for every 64 characters.
 */
export function weightOf({ statements }: PolicyDocument): number {
  return statements.reduce((sum, statement) => sum + weightOfStatement(statement), 0);
}

function weightOfStatement({ actions, resources, condition = {} }: Statement): number {
  const { timeWindows = [], sourceCidrs = [], attributes = {} } = condition;
  const values = Object.values(attributes);
  return (
    1 +
    actions.length +
    sum(resources, (resource) => countLevels(resource) + inUnits(resource)) +
    sum(timeWindows, ({ days }) => days.length) +
    sourceCidrs.length +
    sum(values, (allowed) => 1 + sum(allowed, (value) => 1 + inUnits(value)))
  );
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function inUnits({ length }: string): number {
  return Math.floor(length / charactersPerUnit);
}

function countLevels(resource: string): number {
  let count = 1;
  for (let at = resource.indexOf('/'); at >= 0; at = resource.indexOf('/', at + 1)) count++;
  return count;
}

/** The limits that a document is beyond, in words. */
export function findExcess(document: PolicyDocument): string[] {
  const { characters, windows, zones, weight } = policyLimits;
  const written = document.statements.flatMap(({ condition }) => condition?.timeWindows ?? []);
  const found = [
    { what: 'characters', count: JSON.stringify(document).length, most: characters },
    { what: 'time windows', count: written.length, most: windows },
    { what: 'time zones', count: new Set(written.map(({ timeZone }) => timeZone)).size, most: zones },
    { what: 'parts (actions, levels of resources, windows, ranges, values)', count: weightOf(document), most: weight },
  ];
  return found
    .filter(({ count, most }) => count > most)
    .map(({ what, count, most }) => `has ${count} ${what}, more than ${most}: split it into several policies`);
}
