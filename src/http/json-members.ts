import type { FastifyInstance } from 'fastify';
import { DomainError } from '../errors.js';

/** What the answer is when an object of a body names a member twice; null when none does. */
export function findRepeat(json: string): DomainError | null {
  const name = repeatedMember(json);
  if (name === undefined) return null;
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return new DomainError('invalid-policy', `one object has the member ${shown} twice: write each once`);
}

/**
 * The first member that an object of a JSON text names twice; undefined when there is none. Readers differ in which of
 * the two counts (RFC 8259 §4). The text must have been parsed without an error. One pass, whatever is nested.
 */
export function repeatedMember(json: string): string | undefined {
  // One set for each object that is open; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  let isName = false;
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case quotation: {
        const end = endOfString(json, at);
        const names = open.at(-1);
        const name = isName && names ? (JSON.parse(json.slice(at, end + 1)) as string) : undefined;
        if (name !== undefined && names!.has(name)) return name;
        if (name !== undefined) names!.add(name);
        isName = false;
        at = end;
        break;
      }
      case brace:
        open.push(new Set());
        isName = true;
        break;
      case bracket:
        open.push(undefined);
        break;
      case comma:
        isName = open.at(-1) !== undefined;
        break;
      case closingBrace:
      case closingBracket:
        open.pop();
        break;
    }
  }
  return undefined;
}

const quotation = 0x22;
const comma = 0x2c;
const bracket = 0x5b;
const backslash = 0x5c;
const closingBracket = 0x5d;
const brace = 0x7b;
const closingBrace = 0x7d;

function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json.charCodeAt(at) !== quotation) at += json.charCodeAt(at) === backslash ? 2 : 1;
  return at;
}

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
