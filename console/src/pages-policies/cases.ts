import type { Schemas } from '../api.js';

/** A question with the answer that somebody expects, as `thingward policies test` reads it. */
export type Case = { request: Schemas['SimulatedRequest']; expect?: 'allow' | 'deny' };

/** The most that `simulate` takes at once. */
export const mostCases = 1000;

/** The cases of a file that this page or somebody else wrote. @throws Error for what is none */
export function readCases(text: string): Case[] {
  const read = JSON.parse(text) as { cases?: unknown };
  if (!Array.isArray(read.cases))
    throw new Error('The file has no list named cases. Save tests here to get one that has.');
  if (read.cases.length > mostCases) throw new Error(`The file has more than ${mostCases} cases.`);
  return read.cases as Case[];
}

/** The file of these cases. JSON is YAML too. */
export const writeCases = (cases: Case[]): string => `${JSON.stringify({ cases }, undefined, 2)}\n`;
