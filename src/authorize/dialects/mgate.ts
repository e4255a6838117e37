import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { type Clock, rfc3339 } from '../../clock.js';
import { named } from '../../api/named.js';
import type { App } from '../../http/route.js';
import type { Context } from '../../policy/condition.js';
import { context, timestamp } from '../../shapes.js';
import type { AuthorizeService, DeviceQuestion } from '../service.js';
import { allAllowed, deviceBy } from './device.js';
import { mountDialect } from './dialect.js';

/** One question of a hook of mGate, of njs, or of any proxy. */
type MgateAsked = {
  action: 'connect' | 'publish' | 'subscribe' | 'receive';
  clientId?: string | undefined;
  username?: string | undefined;
  password?: string | undefined;
  certificatePem?: string | undefined;
  fingerprint?: string | undefined;
  topics?: string[] | undefined;
  context?: Context | undefined;
};

type Decision = 'allow' | 'deny';
/** The decisions, together and topic by topic. */
type MgateAnswer = {
  decision: Decision;
  topics: { topic: string; decision: Decision }[];
  validUntil: string;
};

type Deps = Pick<AuthorizeService, 'judgeDevice'>;

/** A session or all topics of a packet in one call; `decision` is allow when everything is allowed. */
export function createMgate({ judgeDevice }: Deps) {
  return async (caller: Grantee, asked: MgateAsked): Promise<MgateAnswer> => {
    const { username, password, fingerprint, certificatePem: certificate } = asked;
    const device = deviceBy({ username, password, fingerprint, certificate });
    const topics = asked.action === 'connect' ? [] : (asked.topics ?? []);
    const decided = await judgeDevice(caller, device, questionsOf(asked, topics));
    const { verdicts, at } = decided;
    return {
      decision: inWords(allAllowed(decided)),
      topics: topics.map((topic, index) => ({ topic, decision: inWords(verdicts[index]!.allowed) })),
      validUntil: inSeconds(
        Math.min(...verdicts.map(({ validUntil }) => validUntil), verdicts.length === 0 ? at : Infinity),
      ),
    };
  };
}

/** The word for no, valid for no time, where nothing could be decided. */
const mgateDenies = (at: Date): MgateAnswer => ({
  decision: 'deny',
  topics: [],
  validUntil: inSeconds(at.getTime()),
});

function questionsOf({ action, clientId, context }: MgateAsked, topics: string[]): DeviceQuestion[] {
  const said = { ...context, ...(clientId === undefined ? {} : { clientId }) };
  if (action === 'connect') return [{ action, resource: `client:${clientId ?? ''}`, context: said }];
  return topics.map((topic) => ({ action, resource: `topic:${topic}`, context: said }));
}

const inWords = (allowed: boolean): Decision => (allowed ? 'allow' : 'deny');

const inSeconds = (at: number): string => rfc3339(new Date(Math.floor(at / 1000) * 1000));

const bodyLimit = 1024 * 1024;
const mostTopics = 1000;

const asked = named(
  'MgateRequest',
  'A session, or the topics of a packet',
  z.looseObject({
    action: z.enum(['connect', 'publish', 'subscribe', 'receive']).describe('What the device wants to do'),
    clientId: z.string().max(65_536).optional().describe('The client id'),
    username: z.string().max(65_536).optional().describe('If present, it must be the name of the thing'),
    password: z.string().max(16_384).optional().describe('An access token'),
    certificatePem: z.string().max(32_768).optional().describe('The client certificate'),
    fingerprint: z
      .string()
      .regex(/^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/, 'must be SHA-256 of the DER in hex')
      .optional()
      .meta({
        description: 'SHA-256 of the client certificate in DER, in hex',
        examples: ['9b1f0c5de2a94b6f8e3d7c1a05f4b2d86e7a9c3b1d0f5e4a8b6c2d9e7f3a1b50'],
      }),
    topics: z.array(z.string().max(70_000)).max(mostTopics).optional().describe('The topics of the packet'),
    context: context.optional(),
  }),
).meta({ examples: [{ action: 'publish', username: 'pump-17', topics: ['acme/pump-17/telemetry'] }] });
const decision = z.enum(['allow', 'deny']);
const answer = named(
  'MgateAnswer',
  'What was decided about a session or a packet',
  z.object({
    decision: decision.describe('allow when everything is allowed'),
    topics: z
      .array(
        named(
          'MgateTopic',
          'What was decided about a topic',
          z.object({ topic: z.string().describe('The topic'), decision: decision.describe('What was decided') }),
        ),
      )
      .describe('What was decided about each topic'),
    validUntil: timestamp.describe('Until when the answer may be cached'),
  }),
);

/** `POST /integrations/mgate`: one call for what a hook of mGate, njs or any proxy has to know. */
export function mgateRoutes(decide: ReturnType<typeof createMgate>, clock: Clock) {
  return async (app: App) =>
    mountDialect(app, {
      url: '/integrations/mgate',
      access: 'authorize:query',
      load: 'batch',
      bodyLimit,
      schema: {
        operationId: 'authorizeMgate',
        summary: 'A session, or all topics of a packet, in one call: for mGate, njs and other proxies',
        description: 'Always 200: read `decision`.',
        tags: ['integrations'],
        response: { 200: answer },
      },
      body: asked,
      questionOf: (body) => body,
      decide,
      answerOf: (body) => ({ body }),
      failureOf: () => ({ body: mgateDenies(clock()) }),
    });
}
