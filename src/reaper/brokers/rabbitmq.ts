import { z } from 'zod';
import { BrokerError, type Broker, type BrokerParts, type LiveSession } from './broker.js';
import { createManagement, shapeOf } from './management.js';

// The listing comes from statistics, which are collected every five seconds.
const lagMs = 5000;
const perPage = 500;
// A page may shift while the ones before it are read.
const mostReadings = 3;

const connection = z.object({ name: z.string(), user: z.string(), connected_at: z.number().optional() });
const page = z.object({ total_count: z.number(), page_count: z.number(), items: z.array(connection).max(perPage) });
const tracked = z.array(z.object({ name: z.string(), user: z.string() }));

/** RabbitMQ, by its management plugin: sessions are ended by user, which the tracking of connections knows without a lag. */
export function createRabbitmq(parts: BrokerParts): Broker {
  const management = createManagement(parts);
  const { limits } = parts;
  const pathOf = (user: string): string => `/api/connections/username/${encodeURIComponent(user)}`;

  const readPage = async (number: number, signal: AbortSignal) => {
    const query = `page=${number}&page_size=${perPage}&sort=name&columns=name,user,connected_at`;
    return shapeOf(page, await management.json({ method: 'GET', path: `/api/connections?${query}` }, signal));
  };

  /** All pages, or undefined when the listing changed while they were read. */
  const readAll = async (signal: AbortSignal): Promise<{ pages: LiveSession[][]; isStable: boolean }> => {
    const pages: LiveSession[][] = [];
    const totals = new Set<number>();
    for (let number = 1, last = 1; number <= last; number++) {
      const { total_count: total, page_count: count, items } = await readPage(number, signal);
      if (total > limits.sessions) throw tooMany(limits.sessions);
      last = Math.min(count, Math.ceil(limits.sessions / perPage));
      totals.add(total);
      pages.push(items.map(({ name, user, connected_at: since }) => ({ id: name, user, since })));
    }
    return { pages, isStable: totals.size <= 1 };
  };

  return {
    lagMs,

    async *sessions(signal) {
      for (let reading = 1; ; reading++) {
        const { pages, isStable } = await readAll(signal);
        if (!isStable && reading < mostReadings) continue;
        return void (yield* pages);
      }
    },

    async sessionsOf(user, signal) {
      const found = shapeOf(tracked, await management.json({ method: 'GET', path: pathOf(user) }, signal));
      return found.map(({ name }) => ({ id: name, user }));
    },

    async end(user, signal) {
      const headers = { 'x-reason': 'ended by Thingward' };
      await management.ask({ method: 'DELETE', path: pathOf(user), headers }, signal);
    },

    async check(signal) {
      const overview = z.object({ rabbitmq_version: z.string() });
      const found = await management.json({ method: 'GET', path: '/api/overview?columns=rabbitmq_version' }, signal);
      // Whoever may only see what is their own gets an empty listing, and would believe that everybody is gone.
      const me = await management.json({ method: 'GET', path: '/api/whoami' }, signal);
      requireTags(shapeOf(z.object({ tags: z.union([z.string(), z.array(z.string())]) }), me).tags);
      return `RabbitMQ ${shapeOf(overview, found).rabbitmq_version} answers`;
    },

    close: management.close,
  };
}

function requireTags(tags: string | string[]): void {
  const held = Array.isArray(tags) ? tags : tags.split(',');
  if (held.includes('administrator')) return;
  throw new BrokerError('its user may not end the sessions of others: give it the tag administrator');
}

const tooMany = (most: number): BrokerError =>
  new BrokerError(`it has more than ${most} sessions: raise limits.sessions`);
