import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { named } from '../../api/named.js';
import type { App } from '../../http/route.js';
import type { Context } from '../../policy/condition.js';
import { natsPermissions, type NatsPermissions } from '../../policy/rights/nats.js';
import { context } from '../../shapes.js';
import type { AuthorizeService } from '../service.js';
import { allAllowed, deviceBy } from './device.js';
import { mountDialect } from './dialect.js';

/** What the callout asks about a login of an MQTT client. */
type NatsAsked = {
  clientId: string;
  username: string;
  password?: string | undefined;
  certificatePem?: string | undefined;
  context?: Context | undefined;
};

/** What the callout passes on to NATS, until `expiresAt` in seconds since 1970. */
type NatsAnswer = { decision: 'deny' } | ({ decision: 'allow'; thing: string; expiresAt: number } & NatsPermissions);

const natsDenies: NatsAnswer = { decision: 'deny' };

/** No session is given rights for longer: what is revoked meanwhile ends with it, unless somebody ends it before. */
const mostMs = 15 * 60_000;

type Deps = Pick<AuthorizeService, 'judgeDevice' | 'rightsOf'>;

/** A login, with everything that the session may do. It is known by its user name afterwards, so it needs one. */
export function createNats({ judgeDevice, rightsOf }: Deps) {
  return async (caller: Grantee, asked: NatsAsked): Promise<NatsAnswer> => {
    const { clientId, username, password, certificatePem: certificate } = asked;
    if (username === '') return natsDenies;
    const known = { ...asked.context, clientId };
    const device = deviceBy({ username, password, certificate });
    const connects = { action: 'connect', resource: `client:${clientId}`, context: known };
    const decided = await judgeDevice(caller, device, [connects]);
    if (!allAllowed(decided) || typeof decided.subject === 'string') return natsDenies;
    const list = await rightsOf(caller, device, known);
    const expiresAt = Math.floor(Math.min(list.endsAt, decided.at + mostMs) / 1000);
    if (list.refusal !== undefined || expiresAt * 1000 <= decided.at) return natsDenies;
    return { decision: 'allow', thing: decided.subject.name, expiresAt, ...natsPermissions(list) };
  };
}

const asked = named(
  'NatsRequest',
  'A login that NATS asks its callout about',
  z.looseObject({
    clientId: z.string().max(65_536).describe('The MQTT client id'),
    username: z.string().max(65_536).describe('The name of the thing'),
    password: z.string().max(16_384).optional().describe('An access token'),
    certificatePem: z.string().max(32_768).optional().describe('The client certificate'),
    context: context.optional(),
  }),
).meta({ examples: [{ clientId: 'pump-17', username: 'pump-17', password: 'eyJ...' }] });

const subjects = named(
  'NatsSubjects',
  'Subjects of NATS',
  z.object({
    allow: z.array(z.string()).describe('What is allowed'),
    deny: z.array(z.string()).describe('What is denied; it beats what is allowed'),
  }),
);
const answer = named(
  'NatsAnswer',
  'What was decided about a login',
  z.object({
    decision: z.enum(['allow', 'deny']).describe('Whether the client may connect'),
    thing: z.string().optional().describe('The thing, where the decision is allow'),
    expiresAt: z.int().optional().describe('When its session must end, in seconds since 1970'),
    publish: subjects.optional(),
    subscribe: subjects.optional(),
  }),
);

/** `POST /integrations/nats`: what `thingward nats-callout` asks. */
export function natsRoutes(decide: ReturnType<typeof createNats>) {
  return async (app: App) =>
    mountDialect(app, {
      url: '/integrations/nats',
      access: 'authorize:query',
      load: 'batch',
      bodyLimit: 512 * 1024,
      schema: {
        operationId: 'authorizeNats',
        summary: 'A login of an MQTT client of NATS, with what it may do: for `thingward nats-callout`',
        description: 'Always 200: read `decision`.',
        tags: ['integrations'],
        response: { 200: answer },
      },
      body: asked,
      questionOf: (body) => body,
      decide,
      answerOf: (body) => ({ body }),
      failureOf: () => ({ body: natsDenies }),
    });
}
