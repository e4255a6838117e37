import type { FastifyRequest } from 'fastify';
import type { Grantee } from '../../access/grantee.js';
import { DomainError } from '../../errors.js';
import { problemOf, readFailure } from '../../http/problems.js';
import { grantee } from '../../http/request.js';
import type { App } from '../../http/route.js';
import { jsonParserOf } from '../../http/json-members.js';
import { nullsDropper } from '../../http/nulls.js';
import { compileSchema } from '../../http/schema-compiler.js';
import { createWebSockets, isWebSocket } from '../../http/streams/web-sockets.js';
import type { AuthorizeService } from '../service.js';
import { streamedQuestion } from '../schema.js';
import { createAsking, type Asked } from './asking.js';
import { converse } from './connection.js';
import { closeCodes, type createStreams } from './streams.js';

// A topic alone may have 65,535 bytes.
const questionBytes = 512 * 1024;

type Deps = { service: Pick<AuthorizeService, 'authorize'>; streams: ReturnType<typeof createStreams> };

/** Where proxies keep asking, in any language. */
export function authorizeStreamRoutes({ service, streams }: Deps) {
  return async (app: App) => {
    const parse = jsonParserOf(app);
    const webSockets = createWebSockets(questionBytes);
    app.addHook('preClose', (done) => {
      streams.endAll(closeCodes.stopping, 'the server stops: connect to another one');
      done();
    });

    const open = (caller: Grantee, request: FastifyRequest): void => {
      const asking = createAsking({
        authorize: service.authorize,
        parse,
        requireShape,
        problemOf: (failure) => problemOf(readFailure(failure as never, request), request).body,
      });
      webSockets.accept(request.raw, (webSocket, socket) => {
        const conversation = converse(webSocket, socket, {
          inTurn: (work) => app.enterTurn(caller, socket, work),
          answer: (text) => asking.answer(caller, text),
          failed: asking.failed,
          closed: () => leave(),
        });
        const leave = streams.add({ caller, end: conversation.end });
      });
    };

    app.get(
      '/v1/authorize/stream',
      {
        config: {
          access: 'authorize:query',
          cost: 'free',
          load: 'question',
          sends: {
            type: 'application/json',
            about: 'A WebSocket: one answer for each question, in any order',
            protocol: 'websocket',
          },
        },
        schema: {
          operationId: 'streamAuthorizeActions',
          summary: 'The same on a WebSocket, on which a proxy keeps asking',
          description:
            'Send `{ "id", "principal", "action", "resource" }` as text frames, and read `{ "id", "decision", … }` or `{ "id", "problem" }`.',
          tags: ['proxies'],
        },
      },
      (request, reply) => {
        const caller = grantee(request);
        if (!isWebSocket(request.raw))
          throw new DomainError('upgrade-required', 'here is a WebSocket: connect with ws:// or wss://');
        if (caller.session) throw new DomainError('forbidden', 'only API keys may open this stream: create one');
        streams.requireRoom(caller);
        reply.hijack();
        open(caller, request);
      },
    );
  };
}

const validate = compileSchema({ schema: streamedQuestion });
const dropNulls = nullsDropper(streamedQuestion);

function requireShape(message: object, text: string): Asked {
  if (text.includes('null')) dropNulls(message);
  if (validate(message)) return message as Asked;
  const [first, last] = [validate.errors?.[0], validate.errors?.at(-1)];
  // Of several forms, each says what it lacks; what matters is that it is none of them.
  const [where, what] =
    last?.keyword === 'anyOf'
      ? [last.instancePath, 'has none of the documented forms']
      : [first?.instancePath, first?.message];
  throw new DomainError('invalid-request', `message${where ?? ''}: ${what ?? 'is not valid'}; /docs shows the shape`);
}
