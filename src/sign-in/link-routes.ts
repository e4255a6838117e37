import type { FailureLimiter } from '../http/failure-limiter.js';
import { giveSession, giveTransaction, keepPrivate, requesterOf } from '../http/people/answers.js';
import { readCookie } from '../http/people/cookies.js';
import type { App } from '../http/route.js';
import type { Acceptance, Accepted } from './acceptance.js';
import type { Me } from './me.js';
import * as schema from './schema.js';

const tags = ['sign-in'];
const config = { access: 'public', browser: true } as const;

type Deps = {
  acceptance: Acceptance;
  me: Me;
  providersOf(account: string): Promise<{ id: string; name: string }[]>;
  failures: FailureLimiter;
};

const fresh = () => false;

/** How a link for one use is opened and accepted. */
export function linkRoutes({ acceptance, me, providersOf, failures }: Deps) {
  const answer = async ({ token, recoveryCodes }: Accepted) => ({
    ...(await me.ofToken(token)),
    ...(recoveryCodes.length === 0 ? {} : { recoveryCodes }),
  });

  return async (app: App) => {
    keepPrivate(app);

    app.post(
      '/v1/sign-in/link',
      {
        config,
        schema: {
          operationId: 'openPersonLink',
          summary: 'Open a link for one use: whom it is for, and what a way in needs',
          description:
            'Opening uses nothing up. The answer sets a cookie for ten minutes, in which one way in may be set up.',
          tags,
          body: schema.linkToOpen,
          response: { 200: schema.openedLink },
        },
      },
      async ({ ip, headers, body: { token, name } }, reply) => {
        const opened = await failures.counting(ip, fresh, () => acceptance.open(token, headers.origin, name));
        const { account, person, transaction, passkey, takesPasswords, totp } = opened;
        giveTransaction(reply, transaction);
        return {
          account,
          ...(person === undefined ? { role: 'owner' } : { name: person.name }),
          ...(person?.role ? { role: person.role } : {}),
          passkey: presentPasskeySetup(passkey),
          password: { available: takesPasswords, totp },
          providers: await providersOf(account),
        };
      },
    );

    app.post(
      '/v1/sign-in/link/passkey',
      {
        config,
        schema: {
          operationId: 'acceptLinkByPasskey',
          summary: 'Accept a link with a new passkey, which signs in',
          tags,
          body: schema.linkByPasskey,
          response: { 200: schema.signedIn },
        },
      },
      async (request, reply) => {
        const work = () => acceptance.byPasskey(readCookie(request, 'signin'), request.body, requesterOf(request));
        const accepted = await failures.counting(request.ip, fresh, work);
        giveSession(reply, accepted.token);
        return answer(accepted);
      },
    );

    app.post(
      '/v1/sign-in/link/password',
      {
        config,
        schema: {
          operationId: 'acceptLinkByPassword',
          summary:
            'Accept a link with a password and an authenticator app, which signs in; recovery codes are shown once',
          tags,
          body: schema.linkByPassword,
          response: { 200: schema.signedIn },
        },
      },
      async (request, reply) => {
        const work = () => acceptance.byPassword(readCookie(request, 'signin'), request.body, requesterOf(request));
        const accepted = await failures.counting(request.ip, fresh, work);
        giveSession(reply, accepted.token);
        return answer(accepted);
      },
    );
  };
}

/** How a passkey can be made, or why none can. */
export function presentPasskeySetup({ options, whyOff }: { options: object | undefined; whyOff: string | undefined }) {
  return {
    available: options !== undefined,
    ...(whyOff === undefined ? {} : { why: whyOff }),
    ...(options === undefined ? {} : { options: { ...options } }),
  };
}
