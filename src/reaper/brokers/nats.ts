import { connect, type NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { BrokerError, type Broker, type BrokerParts, type LiveSession } from './broker.js';
import { shapeOf, shownOf } from './management.js';
import { stablePages } from './pages.js';

const perPage = 1000;
const mostServers = 256;
const system = '$SYS.REQ.SERVER';

const ping = z.object({
  server: z.object({ id: z.string() }),
  statsz: z.object({ active_servers: z.number().optional() }).optional(),
});
const failure = z.object({ code: z.number(), description: z.string() });
const connection = z.object({
  cid: z.number(),
  type: z.string().optional(),
  start: z.string().optional(),
  authorized_user: z.string().optional(),
});
const connz = z.object({
  error: failure.optional(),
  data: z.object({ total: z.number(), connections: z.array(connection).max(perPage).nullish() }).optional(),
});

type Session = LiveSession & { server: string; cid: number };

/** NATS, by a user of its system account: `CONNZ` lists the MQTT clients of each server, and `KICK` ends one. */
export function createNatsBroker({ url, credentials, ca, limits, now }: BrokerParts): Broker {
  let opened: Promise<NatsConnection> | undefined;

  const open = (): Promise<NatsConnection> =>
    (opened ??= connect({
      servers: url,
      ...(credentials ? { user: credentials.username, pass: credentials.password } : {}),
      ...(url.startsWith('tls:') ? { tls: ca === undefined ? {} : { ca } } : {}),
      timeout: limits.timeout,
      maxReconnectAttempts: -1,
    }).catch((error: unknown) => {
      opened = undefined;
      throw error;
    }));

  const ask = async (subject: string, question: object, signal: AbortSignal): Promise<unknown> => {
    signal.throwIfAborted();
    const link = await open();
    const answer = await link.request(`${system}.${subject}`, JSON.stringify(question), { timeout: limits.timeout });
    if (answer.data.length > limits.answerBytes)
      throw new BrokerError('an answer of NATS is too long: raise limits.answerBytes');
    return jsonIn(answer.string());
  };

  /** All servers that there are. One that does not answer may have sessions that nobody sees: that is an error. */
  const servers = async (signal: AbortSignal): Promise<string[]> => {
    signal.throwIfAborted();
    const link = await open();
    const found = new Set<string>();
    let active = 0;
    const until = now() + Math.min(limits.timeout, 2000);
    for await (const answer of await link.requestMany(`${system}.PING`, '', {
      maxWait: Math.max(1, until - now()),
      strategy: 'timer',
    })) {
      const { server, statsz } = shapeOf(ping, jsonIn(answer.string()));
      active = Math.max(active, statsz?.active_servers ?? 1);
      found.add(server.id);
      if (found.size > mostServers) throw new BrokerError(`NATS has more than ${mostServers} servers`);
      if (found.size >= active) break;
    }
    if (found.size === 0)
      throw new BrokerError('no server answers: the user must belong to the system account of NATS');
    if (found.size < active) throw new BrokerError(`${found.size} of ${active} servers of NATS answer`);
    return [...found];
  };

  async function* listed(user: string | undefined, signal: AbortSignal): AsyncGenerator<Session[], void> {
    for (const server of await servers(signal)) {
      const pages = stablePages(limits.sessions, async (number) => {
        const offset = (number - 1) * perPage;
        const question = { auth: true, limit: perPage, offset, sort: 'cid', ...(user === undefined ? {} : { user }) };
        const { data, error } = shapeOf(connz, await ask(`${server}.CONNZ`, question, signal));
        if (!data) throw new BrokerError(`a server of NATS lists nothing: ${shownOf(error?.description ?? '')}`);
        const all = data.connections ?? [];
        const sessions = all.filter(({ type }) => type === 'mqtt').map((each) => sessionOf(server, each));
        return { sessions, total: data.total, hasMore: offset + all.length < data.total && all.length > 0 };
      });
      for await (const page of pages) yield page as Session[];
    }
  }

  const sessionsOf = async (user: string, signal: AbortSignal): Promise<Session[]> => {
    const found: Session[] = [];
    for await (const page of listed(user, signal)) found.push(...page);
    return found.filter((each) => each.user === user);
  };

  return {
    lagMs: 0,
    sessions: (signal) => listed(undefined, signal),
    sessionsOf,

    async end(user, signal) {
      for (const { server, cid } of await sessionsOf(user, signal)) {
        const { error } = shapeOf(connz, await ask(`${server}.KICK`, { cid }, signal));
        // It may have gone by itself.
        if (error && !/no such client/.test(error.description))
          throw new BrokerError(`NATS did not end a session: ${shownOf(error.description)}`);
      }
    },

    async check(signal) {
      const found = await servers(signal);
      for await (const _page of listed('-', signal)) break;
      return `NATS answers: ${found.length} ${found.length === 1 ? 'server' : 'servers'}`;
    },

    close: () => void opened?.then((link) => link.close()).catch(() => {}),
  };
}

function sessionOf(server: string, { cid, start, authorized_user: user = '' }: z.output<typeof connection>): Session {
  const since = Date.parse(start ?? '');
  return { id: `${server}:${cid}`, server, cid, user, ...(Number.isNaN(since) ? {} : { since }) };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new BrokerError(`what NATS answered is not JSON: ${shownOf(text)}`);
  }
}
