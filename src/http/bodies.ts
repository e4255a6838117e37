import type { FastifyInstance, FastifyReply, FastifyRequest, RequestPayload } from 'fastify';
import { createUnzip } from 'node:zlib';
import { DomainError } from '../errors.js';
import { findRepeat, jsonParserOf } from './json-members.js';
import { nullsDropper } from './nulls.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The body may hold any text, NUL and lone surrogates too: it is asked about, and never stored. */
    anyText?: boolean;
  }
}

/** How deep JSON may be nested: no documented body comes near, and what is written from it recurses. */
const mostLevels = 64;

/**
 * Reads bodies of requests: JSON of either kind, packed by gzip or deflate perhaps. A limit of a route counts what
 * comes out of the packing. Text that the database cannot hold, and nesting without end, are refused before any
 * schema sees them; `null` for a member that may be left out is the same as leaving it out, but not in a PATCH.
 */
export function readBodies(app: FastifyInstance): void {
  const parse = jsonParserOf(app);
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (request, body, done) => {
      const text = body as string;
      // Many clients name a type and send nothing.
      if (text.length === 0) return done(null, undefined);
      try {
        done(null, checked(request, text, parse(text)));
      } catch (refusal) {
        done(refusal as Error);
      }
    },
  );
  app.addHook('preParsing', (request, reply, payload, done) => {
    try {
      done(null, unpacked(request, reply, payload));
    } catch (refusal) {
      done(refusal as Error);
    }
  });
}

// The embedded database takes it off the beginning of what it reads.
const byteOrderMark = '\uFEFF';

function checked(request: FastifyRequest, text: string, value: unknown): unknown {
  const { config, schema } = request.routeOptions;
  const repeat = config.distinctMembers ? findRepeat(text) : null;
  if (repeat) throw repeat;
  // Brackets are few in most bodies, and only escapes can write what no raw text holds but a byte order mark.
  const deep = hasManyBrackets(text);
  const odd = (text.includes('\\u') || text.includes(byteOrderMark)) && !takesAnyText(config);
  if (odd) requirePlain(value, 1);
  else if (deep) requireShallow(value, 1);
  if (request.method === 'PATCH' || !schema?.body || !text.includes('null')) return value;
  return nullsDropper(schema.body)(value);
}

/** Questions are answered, whatever they ask about: a name that nothing can have is a deny. */
function takesAnyText({ access, anyText }: FastifyRequest['routeOptions']['config']): boolean {
  return anyText === true || access === 'authorize:query';
}

function hasManyBrackets(text: string): boolean {
  let count = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++count > mostLevels) return true;
    }
  }
  return false;
}

// Recursion ends with the levels that are allowed. No lists of members are made: a batch has thousands of objects.
function requireShallow(value: unknown, level: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (level > mostLevels) throw tooDeep();
  if (Array.isArray(value)) for (const each of value) requireShallow(each, level + 1);
  else for (const name in value) requireShallow((value as Record<string, unknown>)[name], level + 1);
}

function tooDeep(): DomainError {
  return new DomainError('invalid-request', `body: is nested deeper than ${mostLevels} levels; /docs shows the shape`);
}

/** The same, and every text can be stored. */
function requirePlain(value: unknown, level: number): void {
  if (typeof value === 'string') return requireStorable(value);
  if (typeof value !== 'object' || value === null) return;
  if (level > mostLevels) throw tooDeep();
  if (Array.isArray(value)) {
    for (const each of value) requirePlain(each, level + 1);
    return;
  }
  for (const [name, each] of Object.entries(value)) {
    requireStorable(name);
    requirePlain(each, level + 1);
  }
}

/** @throws DomainError `invalid-request` for text that UTF-8 or the database cannot hold */
function requireStorable(text: string): void {
  if (!text.includes('\0') && !text.startsWith(byteOrderMark) && !/\p{Cs}/u.test(text)) return;
  throw new DomainError(
    'invalid-request',
    'body: no text may hold the character U+0000 or half of a surrogate pair, or begin with U+FEFF: leave them out',
  );
}

/** The body without its packing. @throws DomainError `unsupported-media-type` for a packing that is not known */
function unpacked(request: FastifyRequest, reply: FastifyReply, payload: RequestPayload): RequestPayload {
  const coding = request.headers['content-encoding']?.trim().toLowerCase();
  if (coding === undefined || coding === '' || coding === 'identity') return payload;
  if (coding !== 'gzip' && coding !== 'x-gzip' && coding !== 'deflate') {
    throw new DomainError('unsupported-media-type', 'content-encoding: send the body as gzip, deflate or as it is');
  }
  const plain = createUnzip();
  // Whoever reads it hears of errors too; a request that is refused before has no reader, and must not end the process.
  plain.on('error', () => {});
  payload.pipe(plain);
  payload.once('error', (error) => plain.destroy(error));
  request.raw.once('aborted', () => plain.destroy(new DomainError('invalid-request', 'the body is incomplete')));
  // What a refusal left unread flows on unpacked no more, so that a few bytes cannot cost much work.
  reply.raw.once('close', () => {
    payload.unpipe(plain);
    plain.destroy();
    payload.resume();
  });
  // What has come over the wire is held against content-length and the limit too.
  return Object.defineProperty(plain, 'receivedEncodedLength', { get: () => plain.bytesWritten });
}
