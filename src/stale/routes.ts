import { z } from 'zod';
import { sendStream } from '../http/streams/event-stream.js';
import type { App } from '../http/route.js';
import { logCursor } from '../shapes.js';
import { kindNames } from './kinds.js';

const told = {
  type: 'text/event-stream',
  about: `Server-sent events. \`stale\` has \`kinds\`: ${kindNames.map((kind) => `\`${kind}\``).join(', ')}. \`head\` has nothing more, every 10 seconds. Both have \`cursor\`, which is their id`,
};

/** What a page follows to know when to read again. */
export function staleRoutes(followed: Parameters<typeof sendStream>[2]) {
  return async (app: App) => {
    app.get(
      '/v1/stale',
      {
        config: { access: 'person', cost: 'free', sends: told },
        schema: {
          operationId: 'streamStale',
          summary:
            'What became stale of what a page may show, as server-sent events; it says what to read again, and nothing of it',
          description:
            'A person hears of kinds that they may read, in the account that they signed in to. With Last-Event-ID or after, the first event says what became stale meanwhile: all kinds, where nobody knows. The stream ends with the session, and when what the person may do changes.',
          tags: ['people'],
          querystring: z.strictObject({
            after: logCursor.optional().describe('The cursor of the last event that was read'),
          }),
        },
      },
      (request, reply) => sendStream(request, reply, followed),
    );
  };
}
