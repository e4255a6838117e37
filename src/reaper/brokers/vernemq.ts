import { z } from 'zod';
import { BrokerError, type Broker, type BrokerParts, type LiveSession } from './broker.js';
import { createManagement, shapeOf, shownOf } from './management.js';
import { tooMany } from './pages.js';

const perPage = 1000;
// A row that takes longer is left out of the listing without a word.
const rowTimeoutMs = 10_000;

const row = z.object({
  client_id: z.string(),
  user: z.string().nullish(),
  mountpoint: z.string().nullish(),
  peer_host: z.string().nullish(),
  peer_port: z.union([z.number(), z.string()]).nullish(),
  session_started_at: z.union([z.number(), z.string()]).nullish(),
});
const table = z.object({ type: z.literal('table'), table: z.array(row) });
// Its documents show an empty list, its source says "Done".
const done = z.union([z.object({ type: z.literal('text') }), z.tuple([])]);

type Row = z.output<typeof row>;

/** VerneMQ, by its HTTP API, which is `vmq-admin`; the key is the password of the settings. */
export function createVernemq(parts: BrokerParts): Broker {
  const { credentials, limits } = parts;
  // VerneMQ takes its key as the user name.
  const shown = credentials && { username: credentials.password, password: '' };
  const management = createManagement({ ...parts, credentials: shown });
  const run = (command: string, options: string[], signal: AbortSignal): Promise<unknown> =>
    management.json({ method: 'GET', path: `/api/v1/${command}?${options.join('&')}` }, signal);

  const list = async (where: string[], signal: AbortSignal): Promise<Row[]> => {
    const options = [...columns, '--is_online=true', ...where, `--limit=${limits.sessions + 1}`];
    const answer = await run('session/show', [...options, `--rowtimeout=${rowTimeoutMs}`], signal);
    const rows = shapeOf(table, answer).table;
    if (rows.length > limits.sessions) throw tooMany(limits.sessions);
    return rows;
  };

  const rowsOf = async (user: string, signal: AbortSignal): Promise<Row[]> => {
    // VerneMQ takes what looks like a number or a truth value for one, and puts text into a query as it is.
    const canFilter = /^[A-Za-z_:-][A-Za-z0-9_:-]*$/.test(user) && user !== 'true' && user !== 'false';
    const rows = await list(canFilter ? [`--user=${encodeURIComponent(user)}`] : [], signal);
    return rows.filter((each) => (each.user ?? '') === user);
  };

  return {
    lagMs: 0,

    async *sessions(signal) {
      const rows = (await list([], signal)).map(sessionOf);
      for (let at = 0; at < rows.length; at += perPage) yield rows.slice(at, at + perPage);
    },

    sessionsOf: async (user, signal) => (await rowsOf(user, signal)).map(sessionOf),

    async end(user, signal) {
      for (const { client_id: id, mountpoint } of await rowsOf(user, signal)) {
        const place = mountpoint ? [`--mountpoint=${textOf(mountpoint)}`] : [];
        const answer = await run('session/disconnect', [`client-id=${textOf(id)}`, ...place], signal);
        if (!done.safeParse(answer).success)
          throw new BrokerError(`it did not end a session: ${shownOf(JSON.stringify(answer) ?? '')}`);
      }
    },

    async check(signal) {
      shapeOf(table, await run('session/show', [...columns, '--limit=1'], signal));
      return 'VerneMQ answers';
    },

    close: management.close,
  };
}

const columns = ['client_id', 'user', 'mountpoint', 'peer_host', 'peer_port', 'session_started_at'].map(
  (name) => `--${name}`,
);

const sessionOf = (each: Row): LiveSession => {
  const since = Number(each.session_started_at ?? NaN);
  return {
    id: [each.mountpoint, each.peer_host, each.peer_port, each.session_started_at, each.client_id].join(' '),
    user: each.user ?? '',
    ...(Number.isFinite(since) ? { since } : {}),
  };
};

/** HAZARD: VerneMQ puts these into a query between quotes, so that a client id with a quote could name other sessions. */
function textOf(value: string): string {
  if (/["\\\p{Cc}]/u.test(value))
    throw new BrokerError(
      'a session has a client id that VerneMQ cannot be told: let policies allow no quotes in client ids',
    );
  return encodeURIComponent(value);
}
