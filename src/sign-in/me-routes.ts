import { z } from 'zod';
import type { FailureLimiter } from '../http/failure-limiter.js';
import { giveSession, giveTransaction, keepPrivate, takeSession } from '../http/people/answers.js';
import { readCookie } from '../http/people/cookies.js';
import { grantee, originOf } from '../http/request.js';
import type { App } from '../http/route.js';
import { presentPasskeySetup } from './link-routes.js';
import type { Me } from './me.js';
import type { OwnMethods } from './methods/own-methods.js';
import { presentSession } from './presenter.js';
import * as schema from './schema.js';
import type { SignIn } from './service.js';
import type { Sessions } from './sessions/sessions.js';

const tags = ['me'];
const empty = z.null();

type Deps = { me: Me; signIn: SignIn; sessions: Sessions; ownMethods: OwnMethods; failures: FailureLimiter };

/** What people see and change of themselves. */
export function meRoutes(deps: Deps) {
  return async (app: App) => {
    keepPrivate(app);
    sessionRoutes(app, deps);
    methodRoutes(app, deps);
  };
}

function sessionRoutes(app: App, { me, signIn, sessions, failures }: Deps): void {
  app.get(
    '/v1/me',
    {
      config: { access: 'person' },
      schema: { operationId: 'getMe', summary: 'Who is signed in', tags, response: { 200: schema.me } },
    },
    async (request) => me.ofSession(grantee(request).session!),
  );

  app.get(
    '/v1/me/sessions',
    {
      config: { access: 'person' },
      schema: {
        operationId: 'listMySessions',
        summary: 'Where you are signed in',
        tags,
        response: { 200: schema.mySessions },
      },
    },
    async (request) => {
      const { id, person } = grantee(request).session!;
      const all = await sessions.list(person);
      return { items: all.map((session) => ({ ...presentSession(session), current: session.id === id })) };
    },
  );

  app.delete(
    '/v1/me/sessions/:id',
    {
      config: { access: 'person' },
      schema: {
        operationId: 'endMySession',
        summary: 'End a session of yours; `current` signs out',
        tags,
        params: schema.sessionParams,
        response: { 204: empty },
      },
    },
    async (request, reply) => {
      const caller = grantee(request);
      const { id } = request.params;
      const ended = id === 'current' ? caller.session!.id : id;
      await sessions.end(caller, ended, originOf(request));
      if (ended === caller.session!.id) takeSession(reply);
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/v1/me/step-up',
    {
      config: { access: 'person' },
      schema: {
        operationId: 'confirmMe',
        summary: 'Show a factor again: for 5 minutes you may do what needs a fresh one',
        description:
          'A code of the app, or a passkey with options of /v1/sign-in/passkey/options. After single sign-on, open GET /v1/sign-in/oidc/{provider} instead. The session gets a new cookie.',
        tags,
        body: schema.stepUp,
        response: { 200: schema.steppedUp },
      },
    },
    async (request, reply) => {
      const sealed = readCookie(request, 'signin');
      const work = () => signIn.stepUp(grantee(request), sealed, request.body, originOf(request));
      const token = await failures.counting(request.ip, () => false, work);
      giveSession(reply, token);
      return { steppedUpUntil: (await me.ofToken(token)).session.steppedUpUntil };
    },
  );
}

function methodRoutes(app: App, { ownMethods }: Deps): void {
  const config = { access: 'person', stepUp: true } as const;
  const codes = { 200: schema.recoveryCodes };

  app.post(
    '/v1/me/setup',
    {
      config,
      schema: {
        operationId: 'startMySetup',
        summary: 'What a new passkey or password needs',
        description: 'The answer sets a cookie for ten minutes, in which one of both may be set up.',
        tags,
        response: { 200: schema.setup },
      },
    },
    async (request, reply) => {
      const { transaction, passkey, totp } = await ownMethods.begin(grantee(request), request.headers.origin);
      giveTransaction(reply, transaction);
      return { passkey: presentPasskeySetup(passkey), totp };
    },
  );

  app.post(
    '/v1/me/passkeys',
    {
      config,
      schema: {
        operationId: 'addMyPasskey',
        summary: 'Add a passkey; your other sessions end',
        tags,
        body: schema.newPasskey,
        response: { 204: empty },
      },
    },
    async (request, reply) => {
      await ownMethods.addPasskey(grantee(request), readCookie(request, 'signin'), request.body, originOf(request));
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/v1/me/passkeys/:id',
    {
      config,
      schema: {
        operationId: 'removeMyPasskey',
        summary: 'Remove a passkey; your other sessions end',
        tags,
        params: schema.passkeyParams,
        response: { 204: empty },
      },
    },
    async (request, reply) => {
      await ownMethods.removePasskey(grantee(request), request.params.id, originOf(request));
      return reply.code(204).send(null);
    },
  );

  app.put(
    '/v1/me/password',
    {
      config,
      schema: {
        operationId: 'setMyPassword',
        summary: 'Set a password and an authenticator app; your other sessions end, and recovery codes are shown once',
        tags,
        body: schema.newPassword,
        response: codes,
      },
    },
    async (request) => {
      const sealed = readCookie(request, 'signin');
      return { recoveryCodes: await ownMethods.setPassword(grantee(request), sealed, request.body, originOf(request)) };
    },
  );

  app.delete(
    '/v1/me/password',
    {
      config,
      schema: {
        operationId: 'removeMyPassword',
        summary: 'Remove password, app and recovery codes',
        tags,
        response: { 204: empty },
      },
    },
    async (request, reply) => {
      await ownMethods.removePassword(grantee(request), originOf(request));
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/v1/me/recovery-codes',
    {
      config,
      schema: {
        operationId: 'createMyRecoveryCodes',
        summary: 'New recovery codes, shown once; the old ones end',
        tags,
        response: codes,
      },
    },
    async (request) => ({
      recoveryCodes: await ownMethods.renewRecoveryCodes(grantee(request), originOf(request)),
    }),
  );
}
