import { z } from 'zod';
import { textOf } from '../edge/body.js';

/** What is asked about a login. */
export type Login = {
  clientId: string;
  username: string;
  password?: string;
  certificatePem?: string;
  context: { sourceIp?: string; protocol?: string };
};

const subjects = z.object({ allow: z.array(z.string()).max(30_000), deny: z.array(z.string()).max(30_000) });
const answer = z.discriminatedUnion('decision', [
  z.object({ decision: z.literal('deny') }),
  z.object({
    decision: z.literal('allow'),
    thing: z.string().min(1),
    expiresAt: z.int().positive(),
    publish: subjects,
    subscribe: subjects,
  }),
]);

/** What Thingward decided about a login. */
export type Decided = z.output<typeof answer>;

type Deps = { server: string; key: string; timeout: number };

/** Asks Thingward about logins. @throws Error for every answer that is not a decision, and for none in time */
export function createQuestion({ server, key, timeout }: Deps) {
  const target = new URL('/integrations/nats', server);
  return async (login: Login): Promise<Decided> => {
    const signal = AbortSignal.timeout(timeout);
    const response = await fetch(target, {
      method: 'POST',
      redirect: 'error',
      signal,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(login),
    });
    const text = await textOf(response, signal);
    if (response.status !== 200) throw new Error(`Thingward answered ${response.status}`);
    return answer.parse(JSON.parse(text));
  };
}
