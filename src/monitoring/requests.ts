import { answeredId } from '../http/request-id.js';
import type { App } from '../http/route.js';
import type { Metrics } from './metrics.js';

/** One log line and one measurement for each request, and its id in the answer. */
export function observeRequests(app: App, { durations, answers }: Metrics): void {
  app.addHook('onRequest', (request, reply, done) => {
    // Nothing is kept by caches on the way unless its route says so: most answers are secrets or rights.
    void reply.header('x-request-id', answeredId(request)).header('cache-control', 'no-store');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    durations.observe({ method: request.method, route }, reply.elapsedTime / 1000);
    answers.inc({ method: request.method, route, status: reply.statusCode });
    request.log.info(
      {
        reqId: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ip: request.ip,
      },
      'answered',
    );
    done();
  });
}
