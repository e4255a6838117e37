import { z } from 'zod';
import { BrokerError, type Broker, type BrokerParts, type LiveSession } from './broker.js';
import { createManagement, shapeOf, shownOf } from './management.js';
import { stablePages } from './pages.js';

const perPage = 500;
const bansPerPage = 100;
const mostBanPages = 1000;
const by = 'thingward';
const centuryMs = 100 * 365 * 86_400_000;

const client = z.object({
  clientid: z.string(),
  username: z.string().nullish(),
  node: z.string().optional(),
  ip_address: z.string().optional(),
  port: z.number().optional(),
  connected_at: z.string().optional(),
});
const clients = z.object({
  data: z.array(client).max(1000),
  meta: z.object({ count: z.number().optional(), hasnext: z.boolean().optional() }),
});
const bans = z.object({
  data: z.array(z.object({ as: z.string(), who: z.string(), by: z.string().nullish() })).max(1000),
  meta: z.object({ hasnext: z.boolean().optional() }).optional(),
});
const nodes = z.array(z.object({ version: z.string() })).min(1);

/** EMQX 5 and 6, by its REST API with an API key: banned by user name, kicked out by client id. */
export function createEmqx(parts: BrokerParts): Broker {
  const management = createManagement(parts);
  const { ask, json } = management;

  const listed = (query: Record<string, string>, signal: AbortSignal): AsyncGenerator<LiveSession[], void> =>
    stablePages(parts.limits.sessions, async (number) => {
      const page = { conn_state: 'connected', limit: String(perPage), page: String(number), ...query };
      const path = `/api/v5/clients?${new URLSearchParams(page).toString()}`;
      const { data, meta } = shapeOf(clients, await json({ method: 'GET', path }, signal));
      const hasMore = meta.hasnext ?? data.length === perPage;
      return { sessions: data.map(sessionOf), total: meta.count ?? 0, hasMore };
    });

  const sessionsOf = async (user: string, signal: AbortSignal): Promise<LiveSession[]> => {
    const found: LiveSession[] = [];
    for await (const page of listed({ username: user }, signal)) found.push(...page);
    return found.filter((each) => each.user === user);
  };

  /** Whether the ban of a user is one of the reaper's. A later version filters; others list all. */
  const isBannedByUs = async (user: string, signal: AbortSignal): Promise<boolean> => {
    for (let number = 1; number <= mostBanPages; number++) {
      const page = { limit: String(bansPerPage), page: String(number), username: user };
      const path = `/api/v5/banned?${new URLSearchParams(page).toString()}`;
      const { data, meta } = shapeOf(bans, await json({ method: 'GET', path }, signal));
      const found = data.find(({ as, who }) => as === 'username' && who === user);
      if (found) return found.by === by;
      if (data.length === 0 || meta?.hasnext === false) return false;
    }
    throw new BrokerError('it has more bans than can be read: remove some');
  };

  return {
    lagMs: 0,
    sessions: (signal) => listed({}, signal),
    sessionsOf,

    async end(user, signal) {
      const ids = [...new Set((await sessionsOf(user, signal)).map(({ id }) => clientIn(id)))];
      for (const id of ids) {
        const path = `/api/v5/clients/${encodeURIComponent(id)}/authorization/cache`;
        await ask({ method: 'DELETE', path, accepts: isDoneOrGone }, signal);
      }
      if (ids.length > 0)
        await ask(
          { ...asJson, method: 'POST', path: '/api/v5/clients/kickout/bulk', body: JSON.stringify(ids) },
          signal,
        );
    },

    async bar(user, reason, signal) {
      const until = new Date(parts.now() + centuryMs).toISOString().replace(/\.\d+/, '');
      const body = JSON.stringify({ as: 'username', who: user, by, reason, until });
      const accepts = (status: number): boolean => status === 200 || status === 400;
      const answer = await ask({ ...asJson, method: 'POST', path: '/api/v5/banned', body, accepts }, signal);
      if (answer.status === 400 && !answer.text.includes('ALREADY_EXISTS'))
        throw new BrokerError(`it refuses to ban a user: ${shownOf(answer.text)}`);
    },

    async admit(user, signal) {
      // The ban of somebody else stays.
      if (!(await isBannedByUs(user, signal))) return;
      const path = `/api/v5/banned/username/${encodeURIComponent(user)}`;
      await ask({ method: 'DELETE', path, accepts: isDoneOrGone }, signal);
    },

    async check(signal) {
      const found = shapeOf(nodes, await json({ method: 'GET', path: '/api/v5/nodes' }, signal));
      await json({ method: 'GET', path: '/api/v5/clients?limit=1' }, signal);
      return `EMQX ${found[0]!.version} answers`;
    },

    close: management.close,
  };
}

const asJson = { headers: { 'content-type': 'application/json' } };
const isDoneOrGone = (status: number): boolean => status === 204 || status === 404;

/** The client id stands at the end, because it may be any text. */
function sessionOf({ clientid, username, node, ip_address: address, port, connected_at: at }: z.output<typeof client>) {
  const since = at === undefined ? NaN : Date.parse(at);
  return {
    id: `${node ?? ''} ${address ?? ''}:${port ?? ''} ${at ?? ''} ${clientid}`,
    user: username ?? '',
    ...(Number.isNaN(since) ? {} : { since }),
  };
}

const clientIn = (id: string): string => id.split(' ').slice(3).join(' ');
