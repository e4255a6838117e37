/** What somebody typed as JSON. @throws Error that says what it is about and what is wrong, for text that is none */
export function jsonIn(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${what} is not JSON: ${why}. Names and texts stand in double quotes.`, { cause: error });
  }
}

/** A value as JSON, to read. */
export const jsonOf = (value: unknown): string => JSON.stringify(value, undefined, 2);

/** Whether a text is JSON. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
