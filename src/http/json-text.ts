import type { FastifyInstance } from 'fastify';

/**
 * The parser of all JSON: it refuses members that mean something to JavaScript. Text that cannot hold any, which is nearly
 * all, is parsed without looking for them; whatever is wrong with a text, Fastify's own parser says it.
 */
export function jsonParserOf(app: FastifyInstance): (text: string) => unknown {
  const careful = app.getDefaultJsonParser('error', 'error');
  return (text) => {
    if (!mayHideMembers(text)) {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        // Told below.
      }
    }
    const read: { failure: Error | null; value?: unknown } = { failure: null };
    // It answers at once, and never looks at the request.
    void careful(undefined as never, text, (failure: Error | null, value?: unknown) =>
      Object.assign(read, { failure, value }),
    );
    if (read.failure) throw read.failure;
    return read.value;
  };
}

// An escape can spell any of them.
function mayHideMembers(text: string): boolean {
  return text.includes('__proto__') || text.includes('constructor') || text.includes('\\u');
}
