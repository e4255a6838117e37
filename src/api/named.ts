import type { z } from 'zod';

/** Where a schema keeps what it is itself, beside what a member says of its use. */
export const aboutKey = 'x-about';

/**
 * Gives a schema the name that it has in openapi.yaml, and says what it is. Schemas made from it with `extend`,
 * `partial` or `omit` have no name. Two schemas with one name keep the server from starting.
 */
export function named<Schema extends z.ZodType>(title: string, about: string, schema: Schema): Schema {
  return schema.meta({ title, description: about, [aboutKey]: about });
}

/** The name that {@link named} gave. @throws Error if there is none */
export function nameOf(schema: z.ZodType): string {
  const title = schema.meta()?.title;
  if (title === undefined) throw new Error('a schema of the API has no name: give it one with named()');
  return title;
}
