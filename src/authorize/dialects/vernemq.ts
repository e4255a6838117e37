import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { named } from '../../api/named.js';
import type { App } from '../../http/route.js';
import type { Context } from '../../policy/condition.js';
import type { Verdict } from '../judge.js';
import type { AuthorizeService, DeviceQuestion } from '../service.js';
import { allAllowed, deviceBy, deviceNamed, filled, headerOf, scalar, secondsOf, text } from './device.js';
import { mountDialect } from './dialect.js';

type Text = string | null | undefined;
type Scalar = Text | number | boolean;
type Topic = { topic?: Text; qos?: Scalar } & Record<string, unknown>;

/** What the webhooks of VerneMQ send; `hook` is the header that names one. */
type VerneAsked = {
  hook: string | undefined;
  username?: Text;
  password?: Text;
  client_id?: Text;
  client_cert?: Text;
  peer_addr?: Text;
  listener_type?: Text;
  topic?: Text;
  qos?: Scalar;
  retain?: Scalar;
  topics?: Topic[] | undefined;
};

/** The words of VerneMQ, and for how many seconds it may keep them. */
type VerneAnswer = { body: object; seconds: number };

/** VerneMQ's word for no. `next` would ask other plugins. */
const verneDenies: VerneAnswer = { body: { result: { error: 'not_allowed' } }, seconds: 0 };

type Deps = Pick<AuthorizeService, 'judgeDevice'>;

/** Reason codes for a filter that may not be subscribed to: of MQTT 3.1.1, and of 5.0. */
const refusedFilter = { before: 128, since5: 135 };

const listeners: Record<string, string> = {
  mqtt: 'mqtt',
  mqtts: 'mqtts',
  ws: 'ws',
  mqttws: 'ws',
  wss: 'wss',
  mqttwss: 'wss',
};

/** The six webhooks of VerneMQ that decide. */
export function createVernemq({ judgeDevice }: Deps) {
  const register = async (caller: Grantee, asked: VerneAsked): Promise<VerneAnswer> => {
    const device = deviceBy({ username: asked.username, password: asked.password, certificate: asked.client_cert });
    const context = { ...contextOf(asked), protocol: listeners[asked.listener_type ?? ''] };
    const connects = { action: 'connect', resource: `client:${asked.client_id ?? ''}`, context };
    const decided = await judgeDevice(caller, device, [connects]);
    if (!allAllowed(decided) || typeof decided.subject === 'string') return verneDenies;
    // The hooks that follow know a client by this name alone.
    const named = filled(asked.username) === undefined ? { modifiers: { username: decided.subject.name } } : {};
    return { body: { result: 'ok', ...named }, seconds: secondsOf(decided.verdicts, decided.at) };
  };

  const publish = async (caller: Grantee, asked: VerneAsked): Promise<VerneAnswer> => {
    const context = { ...contextOf(asked), ...said(asked) };
    const publishes = { action: 'publish', resource: `topic:${asked.topic ?? ''}`, context };
    const decided = await judgeDevice(caller, deviceNamed(asked.username), [publishes]);
    if (!allAllowed(decided)) return verneDenies;
    return { body: { result: 'ok' }, seconds: secondsOf(decided.verdicts, decided.at) };
  };

  /** Filter by filter. VerneMQ does not judge what it delivers: to subscribe is to receive. */
  const subscribe = async (caller: Grantee, asked: VerneAsked, isMqtt5: boolean): Promise<VerneAnswer> => {
    const topics = asked.topics ?? [];
    const context = contextOf(asked);
    const questions = topics.flatMap(({ topic, qos }): DeviceQuestion[] => {
      const resource = `topic:${topic ?? ''}`;
      return [
        { action: 'subscribe', resource, context: { ...context, ...said({ qos }) } },
        { action: 'receive', resource, context, whole: true },
      ];
    });
    const { verdicts, at } = await judgeDevice(caller, deviceNamed(asked.username), questions);
    const allowed = topics.map((_, index) => isAllowed(verdicts, 2 * index));
    if (!allowed.includes(true)) return verneDenies;
    const refused = isMqtt5 ? refusedFilter.since5 : refusedFilter.before;
    const granted = topics.map((topic, index) => (allowed[index] ? topic : { ...topic, qos: refused }));
    const answer = isMqtt5 ? { modifiers: { topics: granted } } : { topics: granted };
    return { body: { result: 'ok', ...answer }, seconds: secondsOf(verdicts, at) };
  };

  return async (caller: Grantee, asked: VerneAsked): Promise<VerneAnswer> => {
    switch (asked.hook) {
      case 'auth_on_register':
      case 'auth_on_register_m5':
        return register(caller, asked);
      case 'auth_on_publish':
      case 'auth_on_publish_m5':
        return publish(caller, asked);
      case 'auth_on_subscribe':
        return subscribe(caller, asked, false);
      case 'auth_on_subscribe_m5':
        return subscribe(caller, asked, true);
      case undefined:
      default:
        return verneDenies;
    }
  };
}

const isAllowed = (verdicts: Verdict[], at: number): boolean => verdicts[at]!.allowed && verdicts[at + 1]!.allowed;

const contextOf = ({ client_id: clientId, peer_addr: address }: VerneAsked): Context => ({
  clientId: clientId ?? '',
  sourceIp: filled(address),
});

function said({ qos, retain }: Pick<VerneAsked, 'qos' | 'retain'>): Context {
  return {
    ...(typeof qos === 'number' ? { qos } : {}),
    ...(typeof retain === 'boolean' ? { retain } : {}),
  };
}

const bodyLimit = 1024 * 1024;
const mostTopics = 1000;

const asked = named(
  'VernemqRequest',
  'What a webhook of VerneMQ sends',
  z.looseObject({
    username: text.describe('The name of the thing'),
    password: text.describe('An access token'),
    client_id: text.describe('The client id'),
    client_cert: text.describe('The client certificate, base64'),
    peer_addr: text.describe('The address of the client'),
    listener_type: text.describe('Of registrations: mqtt, mqtts, mqttws or mqttwss'),
    topic: text.describe('Of publications: the topic'),
    qos: scalar.describe('Of publications: the quality of service'),
    retain: scalar.describe('Of publications: whether it is retained'),
    topics: z
      .array(
        named(
          'VernemqTopic',
          'A filter of a subscription',
          z.looseObject({ topic: text.describe('The filter'), qos: scalar.describe('The quality of service') }),
        ),
      )
      .max(mostTopics)
      .optional()
      .describe('Of subscriptions: the filters'),
  }),
).meta({ examples: [{ client_id: 'pump-17', username: 'pump-17', password: 'eyJ...' }] });
const answer = named(
  'VernemqAnswer',
  'The answer in the words of VerneMQ',
  z.looseObject({
    result: named(
      'VernemqResult',
      '`ok`, or an error',
      z.union([
        z.literal('ok'),
        named('VernemqRefusal', 'A no', z.object({ error: z.literal('not_allowed').describe('Always the same') })),
      ]),
    ),
  }),
);

/** VerneMQ keeps only what it was allowed, and for no longer than this. */
const say = ({ body, seconds }: VerneAnswer) => ({ headers: { 'cache-control': `max-age=${seconds}` }, body });

/** `POST /integrations/vernemq`: all webhooks of VerneMQ that decide, told apart by their header. */
export function vernemqRoutes(decide: ReturnType<typeof createVernemq>) {
  return async (app: App) =>
    mountDialect(app, {
      url: '/integrations/vernemq',
      access: 'authorize:query',
      load: 'batch',
      bodyLimit,
      schema: {
        operationId: 'authorizeVernemq',
        summary: 'VerneMQ: auth_on_register, auth_on_publish, auth_on_subscribe, and the same for MQTT 5',
        description: 'Always 200: read `result`. The header `vernemq-hook` says which hook it is.',
        tags: ['integrations'],
        response: { 200: answer },
      },
      body: asked,
      questionOf: (fields, request) => ({ ...fields, hook: headerOf(request, 'vernemq-hook') }),
      decide,
      answerOf: say,
      failureOf: () => say(verneDenies),
    });
}
