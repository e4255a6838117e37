import { Readable } from 'node:stream';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { rfc3339 } from '../clock.js';
import { DomainError } from '../errors.js';
import { mostOfUpload } from '../limits.js';
import { grantee, originOf } from '../http/request.js';
import { problemOf, readFailure } from '../http/problems.js';
import type { App } from '../http/route.js';
import { pageOf, placeIn, spanOf, totalOf } from '../api/paging.js';
import * as schema from './schema.js';
import type { UploadForm } from './reading/rows.js';
import type { ExpectedService } from './service.js';
import type { BadRow, Counts, UploadEvent } from './upload.js';

const tags = ['enrollments'];
const forms: Record<string, UploadForm> = {
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
};
const takes = {
  type: 'application/x-ndjson',
  about:
    'One expected thing a line as JSON, or as `text/csv` with a line of column names: name, type, attributes, segment, policies, keySha256, code. Up to 1,000,000 rows, read as they come',
};

/** The routes of `/v1/things/expected`. */
export function expectedRoutes(service: ExpectedService) {
  return async (app: App) => {
    // Read by the route as it comes, and never as a whole.
    app.addContentTypeParser(Object.keys(forms), (_request, body, done) => done(null, body));

    app.post(
      '/v1/things/expected',
      {
        config: {
          access: 'enrollments:write',
          cost: 'heavy',
          takes,
          bodySeconds: mostOfUpload.seconds,
          repeatsBy: 'the same rows again change nothing',
        },
        schema: {
          operationId: 'addExpectedThings',
          summary: 'Expect things: enrollments with expectedOnly give an identity to these alone',
          description:
            'Needs things:write too for rows with attributes, segments:write with a segment, policies:attach with policies. Rows are kept as they come: an upload that broke off is sent again from its beginning. With `accept: application/x-ndjson` the answer comes while the upload runs: a line for each bad row, one for each thousand rows, and the report last.',
          tags,
          response: { 200: schema.report },
        },
      },
      async (request, reply) => {
        const events = service.upload(grantee(request), formOf(request), bodyOf(request), originOf(request));
        // What is refused as a whole is refused before the first line of the answer.
        const first = await events.next();
        const all = resumed(first, events);
        if (!wantsLines(request)) return reportOf(all);
        return sendLines(request, reply, all);
      },
    );

    app.get(
      '/v1/things/expected',
      {
        config: { access: 'enrollments:read' },
        schema: {
          operationId: 'listExpectedThings',
          summary: 'List expected things',
          tags,
          querystring: schema.expectedQuery,
          response: { 200: schema.expectedPage },
        },
      },
      async (request) => {
        const { query } = request;
        const { account } = grantee(request);
        const place = placeIn(`expected ${account}`, query);
        const rows = await service.list(account, query, spanOf(place, /^[A-Za-z0-9:_-]{1,128}$/));
        const total = await totalOf(query, (most) => service.countMatching(account, query, most));
        return { ...pageOf(rows, place, ({ name }) => name, present), ...total };
      },
    );

    app.get(
      '/v1/things/expected/:name',
      {
        config: { access: 'enrollments:read' },
        schema: {
          operationId: 'getExpectedThing',
          summary: 'Read an expected thing',
          tags,
          params: schema.expectedParams,
          response: { 200: schema.expected },
        },
      },
      async (request) => present(await service.get(grantee(request).account, request.params.name)),
    );

    app.delete(
      '/v1/things/expected/:name',
      {
        config: { access: 'enrollments:write' },
        schema: {
          operationId: 'deleteExpectedThing',
          summary: 'Expect a thing no more; a thing that has its identity keeps it',
          tags,
          params: schema.expectedParams,
          response: { 204: z.null() },
        },
      },
      async (request, reply) => {
        await service.remove(grantee(request).account, request.params.name, originOf(request));
        return reply.code(204).send(null);
      },
    );
  };
}

function formOf({ headers }: FastifyRequest): UploadForm {
  const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  const form = forms[type];
  if (form) return form;
  throw new DomainError('unsupported-media-type', 'content-type: send application/x-ndjson or text/csv');
}

function bodyOf({ body }: FastifyRequest): AsyncIterable<Buffer> {
  return body instanceof Readable ? body : Readable.from([]);
}

const wantsLines = ({ headers }: FastifyRequest): boolean => /ndjson|jsonl/.test(headers.accept ?? '');

async function* resumed<Event>(first: IteratorResult<Event, void>, rest: AsyncGenerator<Event>): AsyncGenerator<Event> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}

const nothing: Counts = { rows: 0, added: 0, changed: 0, unchanged: 0, refused: 0 };

async function reportOf(events: AsyncIterable<UploadEvent>) {
  let counts = nothing;
  const errors: BadRow[] = [];
  for await (const event of events) {
    if ('progress' in event) counts = event.progress;
    else if (errors.push(event.bad) > mostOfUpload.errors) errors.pop();
  }
  return { ...counts, errors };
}

/** Errors come as the last line, where the first has been sent. */
function sendLines(request: FastifyRequest, reply: FastifyReply, events: AsyncGenerator<UploadEvent>): FastifyReply {
  async function* lines() {
    let counts = nothing;
    try {
      for await (const event of events) {
        if ('progress' in event) counts = event.progress;
        yield `${JSON.stringify(event)}\n`;
      }
      yield `${JSON.stringify({ report: counts })}\n`;
    } catch (error) {
      yield `${JSON.stringify({ problem: problemOf(readFailure(error as FastifyError, request), request).body })}\n`;
    }
  }
  return reply
    .type('application/x-ndjson')
    .header('cache-control', 'no-store')
    .serializer((body: unknown) => body as string)
    .send(Readable.from(lines()));
}

type ExpectedThing = Awaited<ReturnType<ExpectedService['get']>>;

function present(thing: ExpectedThing) {
  const { name, thingType, attributes, policies, segment, keySha256, codeHash, usedAt, thingId } = thing;
  return {
    name,
    status: usedAt === null ? ('open' as const) : ('used' as const),
    ...(thingType === null ? {} : { type: thingType }),
    attributes,
    ...(policies.length === 0 ? {} : { policies }),
    ...(segment === null ? {} : { segment }),
    ...(keySha256 === null ? {} : { keySha256 }),
    hasCode: codeHash !== null,
    createdAt: rfc3339(thing.createdAt),
    createdBy: thing.createdBy,
    ...(usedAt === null ? {} : { usedAt: rfc3339(usedAt) }),
    ...(thingId === null ? {} : { thingId }),
  };
}
