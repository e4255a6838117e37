import type { Broker, Credentials } from '../../../src/reaper/brokers/broker.js';
import { kinds, type BrokerKind } from '../../../src/reaper/brokers/kinds.js';

/** An adapter of the reaper, with its usual limits. */
export const brokerOf = (kind: BrokerKind, url: string, credentials?: Credentials): Broker =>
  kinds[kind]({
    url,
    credentials,
    ca: undefined,
    limits: { concurrency: 8, timeout: 60_000, answerBytes: 8_388_608, sessions: 100_000 },
    now: Date.now,
  });

export const anySignal = (): AbortSignal => new AbortController().signal;

/** All users that a broker lists. */
export async function usersIn(broker: Broker): Promise<string[]> {
  const users: string[] = [];
  for await (const page of broker.sessions(anySignal())) users.push(...page.map(({ user }) => user));
  return users;
}
