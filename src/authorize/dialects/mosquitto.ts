import formbody from '@fastify/formbody';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Grantee } from '../../access/grantee.js';
import { DomainError } from '../../errors.js';
import { named } from '../../api/named.js';
import type { App } from '../../http/route.js';
import type { AuthorizeService, DeviceQuestion, PresentedDevice } from '../service.js';
import { allAllowed, deviceBy, deviceNamed, filled, scalar, text, tokenIn } from './device.js';
import { type Answer, mountDialect, refusalOf } from './dialect.js';

type Text = string | null | undefined;

/** What mosquitto-go-auth sends; `token` stands where its jwt backend puts the user name. */
type MosquittoAsked = {
  username?: Text;
  password?: Text;
  clientid?: Text;
  topic?: Text;
  acc?: Text | number | boolean;
  token?: string | undefined;
};

type Deps = Pick<AuthorizeService, 'judgeDevice'>;

/** `acc` of a question: read is for each message that is delivered. */
const actionsOf: Record<string, string[]> = {
  '1': ['receive'],
  '2': ['publish'],
  '3': ['receive', 'publish'],
  '4': ['subscribe'],
};

/** The questions of mosquitto-go-auth, its `http` backend and the remote mode of its `jwt` backend. True for yes. */
export function createMosquitto({ judgeDevice }: Deps) {
  return {
    async user(caller: Grantee, asked: MosquittoAsked): Promise<boolean> {
      const { token, clientid, username, password } = asked;
      const device = token === undefined ? deviceBy({ username, password }) : byToken(token);
      if (token === undefined && filled(username) === undefined) return false;
      // The jwt backend does not say which client it is: its topics are asked about with the client id.
      if (token !== undefined && clientid === undefined) {
        const { subject } = await judgeDevice(caller, device, []);
        return typeof subject !== 'string';
      }
      const connects = { action: 'connect', resource: `client:${clientid ?? ''}`, context: {} };
      return allAllowed(await judgeDevice(caller, device, [connects]));
    },

    async acl(caller: Grantee, asked: MosquittoAsked): Promise<boolean> {
      const { token, username, clientid, topic, acc } = asked;
      const device = token === undefined ? deviceNamed(username) : byToken(token);
      const context = { clientId: clientid ?? '' };
      const questions = (actionsOf[String(acc)] ?? []).map((action): DeviceQuestion => {
        return { action, resource: `topic:${topic ?? ''}`, context };
      });
      return allAllowed(await judgeDevice(caller, device, questions));
    },

    /** Nobody is above the policies. */
    superuser: async (): Promise<boolean> => false,
  };
}

const byToken = (token: string): PresentedDevice => ({ form: { token } });

const tags = ['integrations'];
const bodyLimit = 512 * 1024;

// The jwt backend sends `null` where it has no user name.
const asked = named(
  'MosquittoRequest',
  'What mosquitto-go-auth sends',
  z.looseObject({
    username: text.describe('The name of the thing'),
    password: text.describe('An access token'),
    clientid: text.describe('The client id'),
    topic: text.describe('The topic, or the filter'),
    acc: scalar.describe('1 to receive, 2 to publish, 3 for both, 4 to subscribe'),
  }),
)
  .nullish()
  .meta({ examples: [{ username: 'pump-17', clientid: 'pump-17', topic: 'acme/pump-17/telemetry', acc: 2 }] });
const answer = named(
  'MosquittoAnswer',
  'A yes in the words of mosquitto-go-auth',
  z.object({ ok: z.literal(true).describe('Yes') }),
);

type Mosquitto = ReturnType<typeof createMosquitto>;

/** mosquitto-go-auth: the status is the answer, and so is `ok`. A status of 500 would be asked again. */
export function mosquittoRoutes(mosquitto: Mosquitto) {
  return async (app: App) => {
    await app.register(formbody);
    const summaries: Record<keyof Mosquitto, string> = {
      user: 'mosquitto-go-auth: may this user connect',
      superuser: 'mosquitto-go-auth: never',
      acl: 'mosquitto-go-auth: may this user do this with a topic',
    };
    const operations: Record<keyof Mosquitto, string> = {
      user: 'authorizeMosquittoUser',
      superuser: 'authorizeMosquittoSuperuser',
      acl: 'authorizeMosquittoTopic',
    };
    for (const path of Object.keys(summaries) as (keyof Mosquitto)[]) {
      mountDialect(app, {
        url: `/integrations/mosquitto/${path}`,
        access: 'authorize:query',
        bodyLimit,
        schema: {
          operationId: operations[path],
          summary: summaries[path],
          description:
            '200 with `{"ok":true}` is yes, 403 with `{"ok":false}` is no. `Authorization` may hold the token of the device.',
          tags,
          response: { 200: answer },
        },
        body: asked,
        questionOf: (body, request) => ({ fields: { ...body, token: tokenIn(request) }, request }),
        decide: async (caller, { fields, request }) => ({ ok: await mosquitto[path](caller, fields), request }),
        answerOf: ({ ok, request }) => (ok ? { body: { ok } } : refuse(denied, request)),
        failureOf: refuse,
      });
    }
  };
}

const denied = new DomainError('forbidden', 'the policies of the thing do not allow this; POST /v1/authorize says why');

function refuse(failure: DomainError, request: FastifyRequest): Answer {
  const { body, ...rest } = refusalOf(failure, request);
  return { ...rest, body: { ...(body as object), ok: false, error: failure.code } };
}
