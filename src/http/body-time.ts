import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How long the body may take to arrive, in seconds; 30 by default. */
    bodySeconds?: number;
  }
}

const usualSeconds = 30;
const lookEveryMs = 5000;

/**
 * Ends requests whose body takes too long to arrive, as node:http would, which has one limit for all routes: `requestTimeout` must
 * be off. Heads have another limit.
 */
export function limitBodyTime(app: FastifyInstance): void {
  const arriving = new Map<IncomingMessage, number>();

  app.addHook('onRequest', ({ raw, routeOptions: { config } }, _reply, done) => {
    if (!raw.complete && hasBody(raw)) {
      arriving.set(raw, performance.now() + (config.bodySeconds ?? usualSeconds) * 1000);
      for (const event of ['end', 'close']) raw.once(event, () => arriving.delete(raw));
    }
    done();
  });

  const looking = setInterval(() => {
    const now = performance.now();
    for (const [raw, end] of arriving) {
      if (raw.complete) arriving.delete(raw);
      else if (end <= now) {
        arriving.delete(raw);
        const late = Object.assign(new Error('the body takes too long'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
        // Requests that came without a connection have none to end.
        if (raw.socket.destroyed === false) app.server.emit('clientError', late, raw.socket);
      }
    }
  }, lookEveryMs);
  looking.unref();
  app.addHook('onClose', (_app, done) => {
    clearInterval(looking);
    done();
  });
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
