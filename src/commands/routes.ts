import { numberForm, pageOf, placeIn } from '../api/paging.js';
import { rfc3339 } from '../clock.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import * as schema from './schema.js';
import type { CommandService } from './service.js';

const tags = ['commands'];

type Command = Awaited<ReturnType<CommandService['get']>>;
type Listed = Awaited<ReturnType<CommandService['list']>>[number];

// A payload with its escapes may be longer than it is as it is kept.
const bodyLimit = 256 * 1024;

/** The routes of the commands of a thing. */
export function commandRoutes(service: CommandService) {
  return async (app: App) => {
    app.post(
      '/v1/things/:name/commands',
      {
        config: { access: 'commands:write' },
        bodyLimit,
        schema: {
          operationId: 'createCommand',
          summary: 'Send a thing a command, as soon as it has a session at an edge',
          description:
            'The command is published once, at QoS 1, on `ACCOUNT/THING/commands/NAME`. The device answers on `ACCOUNT/THING/commands/NAME/ID/result`.',
          tags,
          params: schema.thingParams,
          body: schema.newCommand,
          response: { 202: schema.queuedCommand },
        },
      },
      async (request, reply) => {
        const { account } = grantee(request);
        const made = await service.create(account, request.params.name, request.body, originOf(request));
        return reply.code(202).send(made);
      },
    );

    app.get(
      '/v1/things/:name/commands',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'listCommands',
          summary: 'The commands of a thing, the newest first',
          tags,
          params: schema.thingParams,
          querystring: schema.commandQuery,
          response: { 200: schema.commandPage },
        },
      },
      async (request) => {
        const { name } = request.params;
        const { account } = grantee(request);
        const place = placeIn(`commands ${account} ${name}`, request.query);
        const [ordinal] = place.after(numberForm) ?? [];
        const before = ordinal === undefined ? undefined : BigInt(ordinal);
        const rows = await service.list(account, name, request.query, { before, limit: place.limit + 1 });
        return pageOf(rows, place, (row) => String(row.ordinal), presentListed);
      },
    );

    app.get(
      '/v1/things/:name/commands/:id',
      {
        config: { access: 'things:read' },
        schema: {
          operationId: 'getCommand',
          summary: 'Read a command, and what became of it',
          tags,
          params: schema.commandParams,
          response: { 200: schema.command },
        },
      },
      async (request, reply) => {
        const { name, id } = request.params;
        reply.header('cache-control', 'no-store');
        return present(await service.get(grantee(request).account, name, id));
      },
    );
  };
}

function presentListed({ id, thingName, name, status, createdBy, ...row }: Listed) {
  const at = (time: Date | null) => (time === null ? undefined : rfc3339(time));
  return {
    id,
    thingName,
    name,
    status,
    createdAt: rfc3339(row.createdAt),
    createdBy,
    expiresAt: rfc3339(row.expiresAt),
    claimedAt: at(row.claimedAt),
    deliveredAt: at(row.deliveredAt),
    finishedAt: at(row.finishedAt),
    reason: row.reason ?? undefined,
  };
}

function present(command: Command) {
  const { payload, result } = command;
  return {
    ...presentListed(command),
    payload: JSON.parse(payload) as unknown,
    ...(result === null ? {} : { result: JSON.parse(result) as unknown }),
  };
}
