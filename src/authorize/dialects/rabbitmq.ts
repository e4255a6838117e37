import formbody from '@fastify/formbody';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { DomainError } from '../../errors.js';
import { named } from '../../api/named.js';
import type { App } from '../../http/route.js';
import type { Context } from '../../policy/condition.js';
import type { AuthorizeService, DeviceQuestion } from '../service.js';
import { allAllowed, deviceBy, deviceNamed, filled } from './device.js';
import { type Answer, mountDialect } from './dialect.js';

/** What RabbitMQ's HTTP backend sends. */
type RabbitFields = Partial<Record<RabbitField, string>>;

/** The fields that are read. */
const rabbitFields = [
  'username',
  'password',
  'client_id',
  'ip',
  'resource',
  'name',
  'permission',
  'routing_key',
  'variable_map.client_id',
] as const;
type RabbitField = (typeof rabbitFields)[number];

/** The words of RabbitMQ. */
type RabbitAnswer = 'allow' | 'deny';

type Deps = Pick<AuthorizeService, 'judgeDevice' | 'rightsOf'>;

/** The exchange of MQTT; what is published and bound there is asked about by topic. */
const exchange = 'amq.topic';

/** The four questions of RabbitMQ's HTTP backend, for MQTT clients. Every name after a login is one that the login proved. */
export function createRabbitmq({ judgeDevice, rightsOf }: Deps) {
  const decide = async (
    caller: Grantee,
    device: ReturnType<typeof deviceBy>,
    questions: DeviceQuestion[],
  ): Promise<RabbitAnswer> => (allAllowed(await judgeDevice(caller, device, questions)) ? 'allow' : 'deny');

  /** A dot in a level is a slash to RabbitMQ: a deny with one would be asked about under another topic. */
  const deniesDots = async (caller: Grantee, username: string | undefined): Promise<boolean> => {
    const { deny } = await rightsOf(caller, deviceNamed(username));
    return deny.some(({ resource }) => resource.startsWith('topic:') && resource.includes('.'));
  };

  return {
    /** By token, or by the name in a certificate that RabbitMQ has verified: then there is no password at all. */
    async user(caller: Grantee, asked: RabbitFields): Promise<RabbitAnswer> {
      const { username, password, client_id: clientId } = asked;
      const byCertificate = password === undefined;
      const device = byCertificate ? deviceNamed(username) : deviceBy({ username, password });
      if (filled(username) === undefined) return 'deny';
      if (clientId !== undefined) return decide(caller, device, [connectQuestion(clientId, {})]);
      const { subject } = await judgeDevice(caller, device, []);
      return typeof subject === 'string' ? 'deny' : 'allow';
    },

    vhost: (caller: Grantee, asked: RabbitFields): Promise<RabbitAnswer> =>
      decide(caller, deviceNamed(asked.username), [
        connectQuestion(asked.client_id ?? '', { sourceIp: filled(asked.ip) }),
      ]),

    /** The queue of the client's own session, and the exchange that topics are asked about at. */
    async resource(caller: Grantee, asked: RabbitFields): Promise<RabbitAnswer> {
      const { client_id: clientId = '', resource, name, permission = '' } = asked;
      const isOwnQueue = resource === 'queue' && isQueueOf(clientId, name);
      const isExchange = resource === 'exchange' && name === exchange && ['read', 'write'].includes(permission);
      if (!isOwnQueue && !isExchange) return 'deny';
      return decide(caller, deviceNamed(asked.username), [connectQuestion(clientId, {})]);
    },

    async topic(caller: Grantee, asked: RabbitFields): Promise<RabbitAnswer> {
      const { username, name, permission, routing_key: key } = asked;
      if (name !== exchange || !key) return 'deny';
      const questions = topicQuestions(permission, topicOf(key), { clientId: asked['variable_map.client_id'] ?? '' });
      const answer = await decide(caller, deviceNamed(username), questions);
      return answer === 'allow' && !(await deniesDots(caller, username)) ? 'allow' : 'deny';
    },
  };
}

function connectQuestion(clientId: string, context: Context): DeviceQuestion {
  return { action: 'connect', resource: `client:${clientId}`, context: { ...context, clientId } };
}

/** RabbitMQ does not judge what it delivers: to read is to subscribe and to receive. */
function topicQuestions(permission: string | undefined, topic: string, context: Context): DeviceQuestion[] {
  const resource = `topic:${topic}`;
  if (permission === 'write') return [{ action: 'publish', resource, context }];
  if (permission !== 'read') return [];
  return [
    { action: 'subscribe', resource, context },
    { action: 'receive', resource, context, whole: true },
  ];
}

/** MQTT's words for a key: RabbitMQ writes dots for slashes, and a star for a plus. */
const topicOf = (key: string): string =>
  key
    .replaceAll('.', '/')
    .split('/')
    .map((level) => (level === '*' ? '+' : level))
    .join('/');

function isQueueOf(clientId: string, name: string | undefined): boolean {
  const own = `mqtt-subscription-${clientId}qos`;
  return clientId !== '' && (name === `${own}0` || name === `${own}1`);
}

const tags = ['integrations'];

const about: Record<RabbitField, string> = {
  username: 'The name of the thing',
  password: 'An access token',
  client_id: 'The client id',
  ip: 'The address of the client',
  resource: 'queue or exchange, or topic',
  name: 'The name of the queue or exchange',
  permission: 'configure, write or read',
  routing_key: 'The topic, with dots for slashes',
  'variable_map.client_id': 'The client id, where it is asked about topics',
};
const fields = named(
  'RabbitmqRequest',
  "What RabbitMQ's HTTP backend sends",
  z.looseObject(Object.fromEntries(rabbitFields.map((name) => [name, z.string().optional().describe(about[name])]))),
).meta({ examples: [{ username: 'pump-17', password: 'eyJ...' }] });
const say = (body: RabbitAnswer): Answer => ({ headers: { 'content-type': 'text/plain; charset=utf-8' }, body });

type Rabbitmq = ReturnType<typeof createRabbitmq>;

/** `rabbitmq_auth_backend_http`: forms or queries, and one word for an answer. */
export function rabbitmqRoutes(rabbitmq: Rabbitmq) {
  return async (app: App) => {
    await app.register(formbody);
    const summaries: Record<keyof Rabbitmq, string> = {
      user: 'RabbitMQ: may this user log in: by token, or by the name in its certificate',
      vhost: 'RabbitMQ: may this user use this virtual host',
      resource: 'RabbitMQ: may this user use this queue or exchange',
      topic: 'RabbitMQ: may this user publish or subscribe',
    };
    const operations: Record<keyof Rabbitmq, string> = {
      user: 'RabbitmqUser',
      vhost: 'RabbitmqHost',
      resource: 'RabbitmqResource',
      topic: 'RabbitmqTopic',
    };
    for (const path of Object.keys(summaries) as (keyof Rabbitmq)[]) {
      const common = {
        url: `/integrations/rabbitmq/${path}`,
        access: 'authorize:query' as const,
        sends: { type: 'text/plain', about: '`allow` or `deny`' },
        decide: (caller: Grantee, asked: RabbitFields) => rabbitmq[path](caller, asked),
        answerOf: say,
        // Anything but `allow` is a no, and a 5xx is asked again.
        failureOf: () => say('deny'),
      };
      const schema = { summary: summaries[path], description: 'Always 200: the body is `allow` or `deny`.', tags };
      mountDialect(app, {
        ...common,
        method: 'POST',
        schema: {
          ...schema,
          operationId: `authorize${operations[path]}`,
          consumes: ['application/x-www-form-urlencoded'],
        },
        body: fields,
        questionOf: (asked) => onlyTexts(asked),
      });
      mountDialect(app, {
        ...common,
        method: 'GET',
        // The same in a query, which is read as RabbitMQ writes it.
        schema: { ...schema, operationId: `query${operations[path]}` },
        questionOf: (_body: unknown, request) => onlyTexts(queryOf(request)),
      });
    }
  };
}

/**
 * RabbitMQ writes `?` before its own query, also where its settings have one already. HAZARD: a login without a password
 * is one by certificate, so a field that stands there twice must not count as absent.
 * @throws DomainError `invalid-request`
 */
function queryOf({ raw }: FastifyRequest): Record<string, unknown> {
  const query = new URLSearchParams(raw.url!.slice(raw.url!.indexOf('?') + 1).replaceAll('?', '&'));
  const fields = Object.fromEntries(query);
  if (Object.keys(fields).length !== [...query.keys()].length)
    throw new DomainError('invalid-request', 'query: a field stands there twice; send each of them once');
  return fields;
}

function onlyTexts(asked: Record<string, unknown>): RabbitFields {
  const pairs = rabbitFields.flatMap((name) => {
    const value = asked[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  return Object.fromEntries(pairs);
}
