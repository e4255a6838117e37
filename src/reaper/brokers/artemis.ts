import { z } from 'zod';
import { BrokerError, type Broker, type BrokerParts, type LiveSession } from './broker.js';
import { createManagement, shapeOf, shownOf } from './management.js';
import { stablePages } from './pages.js';

const perPage = 500;

// Jolokia answers 200 to what failed too, with its own status inside.
const answer = z.object({ status: z.number(), value: z.unknown(), error: z.string().optional() });
const connection = z.object({
  connectionID: z.string(),
  remoteAddress: z.string().nullish(),
  users: z.string().nullish(),
  creationTime: z.string().nullish(),
});
const connections = z.object({ data: z.array(connection).max(1000), count: z.number() });

/** ActiveMQ Artemis, by Jolokia: the URL ends with `/console/jolokia`. */
export function createArtemis(parts: BrokerParts): Broker {
  const management = createManagement(parts);
  // Jolokia wants to know where a question comes from.
  const headers = { 'content-type': 'application/json', origin: 'http://localhost' };
  let known: string | undefined;

  const call = async (body: object, signal: AbortSignal): Promise<unknown> => {
    const said = await management.json({ method: 'POST', path: '', headers, body: JSON.stringify(body) }, signal);
    const { status, value, error } = shapeOf(answer, said);
    if (status !== 200) throw new BrokerError(`Jolokia answered ${status}: ${shownOf(error ?? '')}`);
    return value;
  };

  /** The name of the broker behind this Jolokia. */
  const beanOf = async (signal: AbortSignal): Promise<string> => {
    if (known !== undefined) return known;
    const found = await call({ type: 'search', mbean: 'org.apache.activemq.artemis:broker=*' }, signal);
    const beans = shapeOf(z.array(z.string()), found);
    if (beans.length !== 1)
      throw new BrokerError(`Jolokia shows ${beans.length} brokers: it must show one, to a user who may see it`);
    return (known = beans[0]!);
  };

  const run = async (operation: string, args: unknown[], signal: AbortSignal): Promise<unknown> =>
    call({ type: 'exec', mbean: await beanOf(signal), operation, arguments: args }, signal);

  const listed = (filter: object, signal: AbortSignal): AsyncGenerator<LiveSession[], void> =>
    stablePages(parts.limits.sessions, async (number) => {
      const options = JSON.stringify({ ...filter, sortColumn: 'connectionID', sortOrder: 'asc' });
      const text = await run('listConnections(java.lang.String,int,int)', [options, number, perPage], signal);
      const { data, count } = shapeOf(connections, jsonIn(shapeOf(z.string(), text)));
      return { sessions: data.map(sessionOf), total: count, hasMore: number * perPage < count };
    });

  return {
    lagMs: 0,
    sessions: (signal) => listed({ field: '', operation: '', value: '' }, signal),

    async sessionsOf(user, signal) {
      const found: LiveSession[] = [];
      for await (const page of listed({ field: 'USERS', operation: 'EQUALS', value: user }, signal))
        found.push(...page);
      return found.filter((each) => each.user === user);
    },

    async end(user, signal) {
      // False says that the user had no session.
      shapeOf(z.boolean(), await run('closeConnectionsForUser(java.lang.String)', [user], signal));
    },

    async check(signal) {
      const version = await call({ type: 'read', mbean: await beanOf(signal), attribute: 'Version' }, signal);
      for await (const _page of listed({ field: 'USERS', operation: 'EQUALS', value: '-' }, signal)) break;
      return `Artemis ${shapeOf(z.string(), version)} answers`;
    },

    close: management.close,
  };
}

function sessionOf({ connectionID: id, remoteAddress, users, creationTime }: z.output<typeof connection>): LiveSession {
  const since = Date.parse(creationTime ?? '');
  return {
    id: `${id} ${remoteAddress ?? ''}`,
    user: users ?? '',
    ...(Number.isNaN(since) ? {} : { since }),
  };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new BrokerError(`its listing is not JSON: ${shownOf(text)}`);
  }
}
