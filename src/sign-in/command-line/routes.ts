import { rfc3339 } from '../../clock.js';
import type { FailureLimiter } from '../../http/failure-limiter.js';
import { keepPrivate } from '../../http/people/answers.js';
import { grantee, originOf } from '../../http/request.js';
import type { App } from '../../http/route.js';
import type { CommandLine } from './command-line.js';
import * as schema from './schema.js';

type Deps = { commandLine: CommandLine; failures: FailureLimiter };

/** How `thingward login` gets a key from somebody who is signed in. */
export function commandLineRoutes({ commandLine, failures }: Deps) {
  return async (app: App) => {
    keepPrivate(app);

    app.post(
      '/v1/me/command-line',
      {
        config: { access: 'person', stepUp: true },
        schema: {
          operationId: 'startCommandLineSignIn',
          summary: 'A code for your command line: it gets a key that does what you may do',
          description:
            'The page that `thingward login` opens asks for it, and sends the browser with it to the command line on the same machine.',
          tags: ['me'],
          body: schema.codeRequest,
          response: { 200: schema.code },
        },
      },
      async (request) => {
        const { code, expiresAt } = commandLine.begin(grantee(request), request.body.codeChallenge);
        return { code, expiresAt: rfc3339(expiresAt) };
      },
    );

    app.post(
      '/v1/sign-in/command-line',
      {
        config: { access: 'public' },
        schema: {
          operationId: 'finishCommandLineSignIn',
          summary: 'The key for a code; it is shown once',
          description:
            'It lives 8 hours, and ends with its person: when they are deleted or suspended, when what they may do changes, and when a way in of theirs changes. After single sign-on it ends when the word of the provider does, within an hour.',
          tags: ['sign-in'],
          body: schema.exchange,
          response: { 200: schema.key },
        },
      },
      async (request) => {
        const { code, codeVerifier } = request.body;
        const work = () => commandLine.finish(code, codeVerifier, originOf(request));
        const { key, expiresAt, person } = await failures.counting(request.ip, () => false, work);
        return {
          key,
          expiresAt: rfc3339(expiresAt),
          account: person.account,
          person: { id: person.id, name: person.name },
        };
      },
    );
  };
}
