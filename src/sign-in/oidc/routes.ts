import formbody from '@fastify/formbody';
import { z } from 'zod';
import type { FailureLimiter } from '../../http/failure-limiter.js';
import { giveSession, giveTransaction, keepPrivate, requesterOf } from '../../http/people/answers.js';
import { readCookie } from '../../http/people/cookies.js';
import { originOf } from '../../http/request.js';
import type { App } from '../../http/route.js';
import type { Transactions } from '../transaction.js';
import type { Arrivals } from './arrivals.js';
import type { Logouts } from './logout.js';
import * as schema from './provider-schema.js';

const tags = ['sign-in'];
const config = { access: 'public' } as const;

type Deps = {
  arrivals: Arrivals;
  logouts: Logouts;
  transactions: Pick<Transactions, 'linkIn'>;
  /** The session that a cookie holds. @throws DomainError `invalid-credential` */
  sessionOf(token: string | undefined): Promise<string>;
  failures: FailureLimiter;
  /** Where people reach the server, without a path. */
  origin: string;
};

/** Single sign-on by OpenID Connect. */
export function oidcRoutes({ arrivals, logouts, transactions, sessionOf, failures, origin }: Deps) {
  return async (app: App) => {
    await app.register(formbody);
    keepPrivate(app);
    const params = schema.signInParams;

    app.get(
      '/v1/sign-in/oidc/:provider',
      {
        config,
        schema: {
          operationId: 'startProviderSignIn',
          summary: 'Sends a browser to a provider, to sign in there',
          description:
            'With a link that was opened before, to accept it. With stepUp, to show a factor again in the session that the browser has.',
          tags,
          params,
          querystring: schema.signInQuery,
          response: { 302: z.null() },
        },
      },
      async (request, reply) => {
        const { stepUp } = request.query;
        const session = stepUp === 'true' ? await sessionOf(readCookie(request, 'session')) : undefined;
        const link = session === undefined ? transactions.linkIn(readCookie(request, 'signin')) : undefined;
        const { url, transaction } = await arrivals.begin(request.params.provider, { link, session });
        giveTransaction(reply, transaction);
        return reply.code(302).header('location', url).send(null);
      },
    );

    app.get(
      '/v1/sign-in/oidc/:provider/callback',
      {
        config,
        schema: {
          operationId: 'finishProviderSignIn',
          summary: 'Where a provider sends browsers back to',
          tags,
          params,
          querystring: schema.callbackQuery,
          response: { 303: z.null() },
        },
      },
      async (request, reply) => {
        const url = new URL(request.url, origin);
        const sealed = readCookie(request, 'signin');
        const work = () => arrivals.finish(request.params.provider, url, sealed, requesterOf(request));
        const { token } = await failures.counting(request.ip, () => false, work);
        giveSession(reply, token);
        return reply.code(303).header('location', '/console/').send(null);
      },
    );

    app.post(
      '/v1/sign-in/oidc/:provider/backchannel-logout',
      {
        config,
        schema: {
          operationId: 'reportProviderLogout',
          summary: 'Where a provider says that somebody has left (OpenID Connect Back-Channel Logout 1.0)',
          tags,
          consumes: ['application/x-www-form-urlencoded'],
          params,
          body: schema.logoutBody,
          response: { 200: z.null() },
        },
      },
      async (request, reply) => {
        await logouts.logout(request.params.provider, request.body.logout_token, originOf(request));
        return reply.code(200).send(null);
      },
    );
  };
}
