import type { Schemas } from '../api.js';

/** A question about things, as the API takes it. */
export type ThingQuery = Schemas['Group']['query'];

/** A query as text: an object is shown as JSON. */
export const textOf = (query: ThingQuery): string =>
  typeof query === 'string' ? query : JSON.stringify(query, null, 1);

/** A query as somebody typed it; JSON is sent as the object that it is. @throws SyntaxError for JSON that cannot be read */
export function queryOf(text: string): ThingQuery {
  const trimmed = text.trim();
  return trimmed.startsWith('{') ? (JSON.parse(trimmed) as ThingQuery) : trimmed;
}
