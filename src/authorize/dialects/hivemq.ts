import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { named } from '../../api/named.js';
import { type Clock, rfc3339 } from '../../clock.js';
import type { App } from '../../http/route.js';
import type { Context } from '../../policy/condition.js';
import { context, timestamp } from '../../shapes.js';
import type { Verdict } from '../judge.js';
import type { AuthorizeService, DeviceQuestion } from '../service.js';
import { deviceBy } from './device.js';
import { mountDialect } from './dialect.js';

/** What the extension asks about one client. */
type HivemqAsked = {
  action: 'connect' | 'publish' | 'subscribe';
  clientId: string;
  username?: string | undefined;
  password?: string | undefined;
  certificatePem?: string | undefined;
  topics?: string[] | undefined;
  context?: Context | undefined;
};

type Decision = 'allow' | 'deny';
/** `decision` is that of the session or of all topics; `thing` names the thing of an allowed session. */
type HivemqAnswer = {
  decision: Decision;
  thing?: string;
  topics: { topic: string; decision: Decision }[];
  validUntil: string;
};

type Deps = Pick<AuthorizeService, 'judgeDevice'>;

/**
 * A login with the filters that the session holds already, a publication, or filters. HiveMQ does not judge what it
 * delivers: to subscribe is to receive.
 */
export function createHivemq({ judgeDevice }: Deps) {
  return async (caller: Grantee, asked: HivemqAsked): Promise<HivemqAnswer> => {
    const { action, username, password, certificatePem: certificate, topics = [] } = asked;
    const device = deviceBy({ username, password, certificate });
    const { subject, verdicts, at } = await judgeDevice(caller, device, questionsOf(asked, topics));
    const [session, ...others] = verdicts as [Verdict, ...Verdict[]];
    const each = action === 'publish' ? 1 : 2;
    const allowed = topics.map((_, index) => isAllowed(others.slice(each * index, each * (index + 1))));
    const isYes = session.allowed && (action === 'connect' || (allowed.length > 0 && !allowed.includes(false)));
    return {
      decision: inWords(isYes),
      ...(isYes && typeof subject !== 'string' ? { thing: subject.name } : {}),
      topics: topics.map((topic, index) => ({ topic, decision: inWords(session.allowed && allowed[index] === true) })),
      validUntil: inSeconds(verdicts.reduce((least, { validUntil }) => Math.min(least, validUntil), at + longestMs)),
    };
  };
}

/** No verdict stands for longer. */
const longestMs = 60_000;

/** A session that may not be may do nothing, so the first question is always about it. */
function questionsOf({ action, clientId, context }: HivemqAsked, topics: string[]): DeviceQuestion[] {
  const said = { ...context, clientId };
  const session: DeviceQuestion = { action: 'connect', resource: `client:${clientId}`, context: said };
  const about = (topic: string): DeviceQuestion[] =>
    action === 'publish'
      ? [{ action: 'publish', resource: `topic:${topic}`, context: said }]
      : [
          { action: 'subscribe', resource: `topic:${topic}`, context: said },
          { action: 'receive', resource: `topic:${topic}`, context: said, whole: true },
        ];
  return [session, ...topics.flatMap(about)];
}

const isAllowed = (verdicts: Verdict[]): boolean => verdicts.every(({ allowed }) => allowed);
const inWords = (allowed: boolean): Decision => (allowed ? 'allow' : 'deny');
const inSeconds = (at: number): string => rfc3339(new Date(Math.floor(at / 1000) * 1000));

/** The word for no, valid for no time, where nothing could be decided. */
const hivemqDenies = (at: Date): HivemqAnswer => ({
  decision: 'deny',
  topics: [],
  validUntil: inSeconds(at.getTime()),
});

const bodyLimit = 1024 * 1024;
const mostTopics = 1000;

const asked = named(
  'HivemqRequest',
  'What the extension for HiveMQ asks about a client',
  z.looseObject({
    action: z.enum(['connect', 'publish', 'subscribe']).describe('What the client wants to do'),
    clientId: z.string().max(65_536).describe('The client id'),
    username: z.string().max(65_536).optional().describe('If present, it must be the name of the thing'),
    password: z.string().max(16_384).optional().describe('An access token'),
    certificatePem: z.string().max(32_768).optional().describe('The client certificate'),
    topics: z
      .array(z.string().max(70_000))
      .max(mostTopics)
      .optional()
      .describe('The topic or the filters; of `connect`, the filters that the session holds already'),
    context: context.optional(),
  }),
).meta({ examples: [{ action: 'publish', clientId: 'pump-17', topics: ['acme/pump-17/telemetry'] }] });
const decision = z.enum(['allow', 'deny']);
const answer = named(
  'HivemqAnswer',
  'What was decided about a client',
  z.object({
    decision: decision.describe('Whether the session may be, or everything that was asked about is allowed'),
    thing: z.string().optional().describe('The thing, where the decision is allow'),
    topics: z
      .array(
        named(
          'HivemqTopic',
          'What was decided about a topic or filter',
          z.object({
            topic: z.string().describe('The topic or filter'),
            decision: decision.describe('What was decided'),
          }),
        ),
      )
      .describe('What was decided about each topic'),
    validUntil: timestamp.describe('Until when the answer may be cached'),
  }),
);

/** `POST /integrations/hivemq`: what the extension in `integrations/hivemq/` asks. */
export function hivemqRoutes(decide: ReturnType<typeof createHivemq>, clock: Clock) {
  return async (app: App) =>
    mountDialect(app, {
      url: '/integrations/hivemq',
      access: 'authorize:query',
      load: 'batch',
      bodyLimit,
      schema: {
        operationId: 'authorizeHivemq',
        summary: 'A login, a publication or filters of a client of HiveMQ: for its extension',
        description: 'Always 200: read `decision`.',
        tags: ['integrations'],
        response: { 200: answer },
      },
      body: asked,
      questionOf: (body) => body,
      decide,
      answerOf: (body) => ({ body }),
      failureOf: () => ({ body: hivemqDenies(clock()) }),
    });
}
