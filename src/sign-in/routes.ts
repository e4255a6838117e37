import type { FailureLimiter } from '../http/failure-limiter.js';
import { giveSession, giveTransaction, keepPrivate, requesterOf } from '../http/people/answers.js';
import { readCookie } from '../http/people/cookies.js';
import type { App } from '../http/route.js';
import type { Me } from './me.js';
import type { Passkeys } from './methods/passkeys.js';
import * as schema from './schema.js';
import type { SignIn } from './service.js';
import type { Settings } from './settings.js';

const tags = ['sign-in'];
const publicly = { access: 'public', browser: true } as const;

type Deps = {
  signIn: SignIn;
  me: Me;
  passkeys: Pick<Passkeys, 'whyOff'>;
  settings: Pick<Settings, 'takesPasswords'>;
  providersOf(account: string): Promise<{ id: string; name: string }[]>;
  failures: FailureLimiter;
};

const fresh = () => false;

/** The ways in. */
export function signInRoutes({ signIn, me, passkeys, settings, providersOf, failures }: Deps) {
  return async (app: App) => {
    keepPrivate(app);

    app.get(
      '/v1/sign-in',
      {
        config: { access: 'public' },
        schema: {
          operationId: 'getWaysIn',
          summary: 'Which ways in an account has; one that does not exist looks like one without providers',
          tags,
          querystring: schema.waysQuery,
          response: { 200: schema.ways },
        },
      },
      async ({ headers, query: { account } }) => {
        const why = passkeys.whyOff(headers.origin);
        return {
          account,
          passkeys: { available: why === undefined, ...(why === undefined ? {} : { why }) },
          passwords: await settings.takesPasswords(account),
          providers: await providersOf(account),
        };
      },
    );

    app.post(
      '/v1/sign-in/password',
      {
        config: publicly,
        schema: {
          operationId: 'startPasswordSignIn',
          summary: 'First half of signing in with a password',
          description:
            'The answer sets a cookie for ten minutes. The second half is a code of the app, or a recovery code.',
          tags,
          body: schema.passwordLogin,
          response: { 200: schema.next },
        },
      },
      async (request, reply) => {
        const work = () => signIn.password(request.body, requesterOf(request));
        const transaction = await failures.counting(request.ip, fresh, work);
        giveTransaction(reply, transaction);
        return { next: ['totp' as const, 'recovery' as const] };
      },
    );

    for (const [path, operationId, half, body] of [
      ['totp', 'finishPasswordSignIn', signIn.totp, schema.totpLogin],
      ['recovery', 'finishPasswordSignInByRecoveryCode', signIn.recovery, schema.recoveryLogin],
    ] as const) {
      app.post(
        `/v1/sign-in/${path}`,
        {
          config: publicly,
          schema: {
            operationId,
            summary: `Second half of signing in with a password: ${path === 'totp' ? 'a code of the app' : 'a recovery code, once'}`,
            tags,
            body,
            response: { 200: schema.signedIn },
          },
        },
        async (request, reply) => {
          const sealed = readCookie(request, 'signin');
          const work = () => half(sealed, request.body.code, requesterOf(request));
          const { token } = await failures.counting(request.ip, fresh, work);
          giveSession(reply, token);
          return me.ofToken(token);
        },
      );
    }

    app.post(
      '/v1/sign-in/passkey/options',
      {
        config: publicly,
        schema: {
          operationId: 'startPasskeySignIn',
          summary: 'What a browser needs to show a passkey: to sign in, or to step up',
          description: 'The same for every name, known or not: the passkey says whose it is.',
          tags,
          body: schema.passkeyLoginOptions,
          response: { 200: schema.passkeyOptions },
        },
      },
      async (_request, reply) => {
        const { options, transaction } = await signIn.passkeyOptions();
        giveTransaction(reply, transaction);
        return { ...options };
      },
    );

    app.post(
      '/v1/sign-in/passkey',
      {
        config: publicly,
        schema: {
          operationId: 'finishPasskeySignIn',
          summary: 'Sign in with a passkey',
          tags,
          body: schema.passkeyLogin,
          response: { 200: schema.signedIn },
        },
      },
      async (request, reply) => {
        const sealed = readCookie(request, 'signin');
        const work = () => signIn.passkey(sealed, request.body, requesterOf(request));
        const { token } = await failures.counting(request.ip, fresh, work);
        giveSession(reply, token);
        return me.ofToken(token);
      },
    );
  };
}
