import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { type Clock, rfc3339 } from '../../clock.js';
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

const asked = z.looseObject({
  action: z.enum(['connect', 'publish', 'subscribe', 'receive']),
  clientId: z.string().max(65_536).optional(),
  username: z.string().max(65_536).optional().describe('If present, it must be the name of the thing'),
  password: z.string().max(16_384).optional().describe('An access token'),
  certificatePem: z.string().max(32_768).optional(),
  fingerprint: z
    .string()
    .regex(/^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/, 'must be SHA-256 of the DER in hex')
    .optional(),
  topics: z.array(z.string().max(70_000)).max(mostTopics).optional(),
  context: context.optional(),
});
const decision = z.enum(['allow', 'deny']);
const answer = z.object({
  decision: decision.describe('allow when everything is allowed'),
  topics: z.array(z.object({ topic: z.string(), decision })),
  validUntil: timestamp,
});

/** `POST /integrations/mgate`: one call for what a hook of mGate, njs or any proxy has to know. */
export function mgateRoutes(decide: ReturnType<typeof createMgate>, clock: Clock) {
  return async (app: App) =>
    mountDialect(app, {
      url: '/integrations/mgate',
      access: 'authorize:query',
      load: 'batch',
      bodyLimit,
      schema: {
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
