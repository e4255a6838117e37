import { z } from 'zod';
import type { Broker, BrokerParts, LiveSession } from './broker.js';
import { createManagement, shapeOf } from './management.js';

const session = z.object({ id: z.string().min(1), thing: z.string(), since: z.number().optional() });
const page = z.object({ sessions: z.array(session).max(1000) });

/** HiveMQ CE, by the extension of Thingward in `integrations/hivemq/`, which knows without a lag who is connected. */
export function createHivemq(parts: BrokerParts): Broker {
  const management = createManagement(parts);

  /** Pages of sessions, each behind the last one of the page before. */
  async function* pagesOf(query: Record<string, string>, signal: AbortSignal): AsyncGenerator<LiveSession[]> {
    for (let after = '', read = 0; read < parts.limits.sessions;) {
      const text = new URLSearchParams({ ...query, after }).toString();
      const { sessions } = shapeOf(page, await management.json({ method: 'GET', path: `/sessions?${text}` }, signal));
      const last = sessions.at(-1);
      if (last === undefined || last.id <= after) return;
      yield sessions.map(({ id, thing: user, since }) => ({ id, user, since }));
      after = last.id;
      read += sessions.length;
    }
  }

  return {
    lagMs: 0,

    sessions: (signal) => pagesOf({}, signal),

    async sessionsOf(user, signal) {
      const found: LiveSession[] = [];
      for await (const each of pagesOf({ thing: user }, signal)) found.push(...each);
      return found;
    },

    async end(user, signal) {
      const body = JSON.stringify({ thing: user });
      await management.ask({ method: 'POST', path: '/disconnect', body }, signal);
    },

    async check(signal) {
      shapeOf(page, await management.json({ method: 'GET', path: '/sessions?thing=-' }, signal));
      return 'HiveMQ answers';
    },

    close: management.close,
  };
}
