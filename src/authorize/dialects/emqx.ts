import formbody from '@fastify/formbody';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { named } from '../../api/named.js';
import type { App } from '../../http/route.js';
import { type EmqxRule, emqxRules } from '../../policy/rights/emqx.js';
import type { Context } from '../../policy/condition.js';
import type { AuthorizeService, DeviceQuestion } from '../service.js';
import { allAllowed, deviceBy, deviceNamed, filled, scalar, text } from './device.js';
import { mountDialect } from './dialect.js';

type Text = string | null | undefined;
type Scalar = Text | number | boolean;

/** What EMQX is told to send about a login. */
type EmqxLogin = Record<'clientid' | 'username' | 'password' | 'peerhost' | 'cert' | 'listener' | 'protocol', Text>;
/** What EMQX is told to send about one publication or subscription; RMQTT says `access` 1 and 2 for the actions. */
type EmqxMessage = Record<
  'clientid' | 'username' | 'thing' | 'action' | 'topic' | 'peerhost' | 'listener' | 'protocol',
  Text
> &
  Record<'qos' | 'retain' | 'access', Scalar>;

/** The words of EMQX. What is not `allow` must be `deny`: anything else makes it ask elsewhere, and then allow. */
type EmqxAnswer = {
  result: 'allow' | 'deny';
  is_superuser?: false;
  expire_at?: number;
  acl?: EmqxRule[];
  client_attrs?: Record<string, string>;
};

/** EMQX's word for no. */
const emqxDenies: EmqxAnswer = { result: 'deny' };
const emqxAllows: EmqxAnswer = { result: 'allow', is_superuser: false };

/** No session is given rights for longer: what is revoked meanwhile ends with it, unless somebody ends it before. */
const mostMs = 15 * 60_000;

const protocols: Record<string, string> = { tcp: 'mqtt', ssl: 'mqtts', quic: 'mqtts', ws: 'ws', wss: 'wss' };

type Deps = Pick<AuthorizeService, 'judgeDevice' | 'rightsOf'>;

/** Logins and messages of EMQX 5 and 6, and of RMQTT. */
export function createEmqx({ judgeDevice, rightsOf }: Deps) {
  return {
    /** A login, with everything that the session may do, so that no message needs a question. */
    async authn(caller: Grantee, asked: EmqxLogin): Promise<EmqxAnswer> {
      const context = contextOf(asked);
      const device = deviceBy({ username: asked.username, password: asked.password, certificate: asked.cert });
      const connects = { action: 'connect', resource: `client:${asked.clientid ?? ''}`, context };
      const decided = await judgeDevice(caller, device, [connects]);
      if (!allAllowed(decided) || typeof decided.subject === 'string') return emqxDenies;
      const list = await rightsOf(caller, device, context);
      const expiresAt = Math.floor(Math.min(list.endsAt, decided.at + mostMs) / 1000);
      if (list.refusal !== undefined || expiresAt * 1000 <= decided.at) return emqxDenies;
      const { name: thing, account } = decided.subject;
      return { ...emqxAllows, expire_at: expiresAt, acl: emqxRules(list), client_attrs: { thing, account } };
    },

    /** One publication or subscription. EMQX does not judge what it delivers: to subscribe is to receive. */
    async authz(caller: Grantee, asked: EmqxMessage): Promise<EmqxAnswer> {
      const questions = questionsOf(asked);
      const device = deviceNamed(filled(asked.thing) ?? asked.username);
      return allAllowed(await judgeDevice(caller, device, questions)) ? emqxAllows : emqxDenies;
    },
  };
}

function questionsOf(asked: EmqxMessage): DeviceQuestion[] {
  const { qos, retain } = asked;
  const context = contextOf(asked);
  const resource = `topic:${asked.topic ?? ''}`;
  switch (filled(asked.action) ?? String(asked.access)) {
    case 'publish':
    case '2':
      return [{ action: 'publish', resource, context: { ...context, ...said({ qos, retain }) } }];
    case 'subscribe':
    case '1':
      return [
        { action: 'subscribe', resource, context: { ...context, ...said({ qos }) } },
        { action: 'receive', resource, context, whole: true },
      ];
    default:
      return [];
  }
}

/** A client id that is missing is one that nobody may have. */
function contextOf({
  clientid,
  peerhost,
  listener,
  protocol,
}: Pick<EmqxLogin, 'clientid' | 'peerhost' | 'listener' | 'protocol'>): Context {
  const named = filled(protocol) ?? protocols[listener?.split(':')[0] ?? ''];
  return { clientId: clientid ?? '', sourceIp: filled(peerhost), protocol: named };
}

function said({ qos, retain }: { qos?: Scalar; retain?: Scalar }): Context {
  return {
    ...(typeof qos === 'number' || typeof qos === 'string' ? { qos } : {}),
    ...(typeof retain === 'boolean' || typeof retain === 'string' ? { retain } : {}),
  };
}

const tags = ['integrations'];
const bodyLimit = 512 * 1024;

const clientid = text.describe('The client id');
const username = text.describe('The name of the thing, or nothing');
const peerhost = text.describe('The address of the client');
const listener = text.describe('`ssl:default`, from which the protocol is read');
const protocol = text.describe('Where the listener does not say it: mqtt, mqtts, ws or wss');

const login = named(
  'EmqxLogin',
  'What EMQX is told to send about a login',
  z.looseObject({
    clientid,
    username,
    password: text.describe('An access token'),
    peerhost,
    cert: text.describe('The client certificate, `${cert_pem}`'),
    listener,
    protocol,
  }),
).meta({ examples: [{ clientid: 'pump-17', username: 'pump-17', password: 'eyJ...', listener: 'ssl:default' }] });
const message = named(
  'EmqxMessage',
  'What EMQX is told to send about a publication or subscription',
  z.looseObject({
    clientid,
    username,
    thing: text.describe('`${client_attrs.thing}`, where devices have no user names'),
    action: text.describe('publish or subscribe'),
    access: scalar.describe('RMQTT: 1 to subscribe, 2 to publish'),
    topic: text.describe('The topic, or the filter'),
    qos: scalar.describe('The quality of service'),
    retain: scalar.describe('Whether it is retained'),
    peerhost,
    listener,
    protocol,
  }),
).meta({
  examples: [{ clientid: 'pump-17', username: 'pump-17', action: 'publish', topic: 'acme/pump-17/telemetry' }],
});
const rule = named(
  'EmqxRule',
  'A rule for the session',
  z.object({
    permission: z.enum(['allow', 'deny']).describe('What the rule says'),
    action: z.enum(['publish', 'subscribe', 'all']).describe('What it is about'),
    topic: z.string().describe('The topics that it is about'),
    qos: z.array(z.int()).optional().describe('The qualities of service that it is about'),
    retain: z.boolean().optional().describe('Whether it is about retained publications or the others'),
  }),
);
const answer = named(
  'EmqxAnswer',
  'The answer in the words of EMQX',
  z.object({
    result: z.enum(['allow', 'deny']).describe('What was decided'),
    is_superuser: z.literal(false).optional().describe('Nobody is above the policies'),
    expire_at: z.int().optional().describe('Seconds since 1970: the broker ends the session then'),
    acl: z.array(rule).optional().describe('What the session may do'),
    client_attrs: z.record(z.string(), z.string()).optional().describe('Who the device is'),
  }),
);

// EMQX takes every status but 200 and 204 for "ask the next", and then allows: every failure is a deny.
const answers = {
  access: 'authorize:query',
  bodyLimit,
  answerOf: (body: EmqxAnswer) => ({ body }),
  failureOf: () => ({ body: emqxDenies }),
} as const;

/** A path or method that does not exist, which EMQX would take for "ask the next" like every other error. */
async function denyElsewhere(scope: App): Promise<void> {
  const deny = (reply: FastifyReply) => reply.code(200).send(emqxDenies);
  scope.setNotFoundHandler((_request, reply) => deny(reply));
  scope.setErrorHandler((_error, _request, reply) => deny(reply));
}

/** HTTP authentication and authorization of EMQX 5 and 6, and of RMQTT. */
export function emqxRoutes({ authn, authz }: ReturnType<typeof createEmqx>) {
  return async (app: App) => {
    await app.register(formbody);
    await app.register(denyElsewhere, { prefix: '/integrations/emqx' });
    mountDialect(app, {
      ...answers,
      url: '/integrations/emqx/authn',
      schema: {
        operationId: 'authorizeEmqxClient',
        summary: 'EMQX: may this client connect, what may it do, and until when',
        description: 'Always 200: read `result`. A token alone needs a key with `bearer`.',
        tags,
        response: { 200: answer },
      },
      body: login,
      questionOf: (asked) => asked,
      decide: authn,
    });
    mountDialect(app, {
      ...answers,
      url: '/integrations/emqx/authz',
      schema: {
        operationId: 'authorizeEmqxMessage',
        summary: 'EMQX: may this client publish or subscribe',
        description: 'Always 200: read `result`. Only for listeners whose clients were let in by authn.',
        tags,
        response: { 200: answer },
      },
      body: message,
      questionOf: (asked) => asked,
      decide: authz,
    });
  };
}
