import type { Caller } from '../access/caller.js';
import { answeredId } from '../http/request-id.js';
import type { App } from '../http/route.js';
import type { Metrics } from './metrics.js';

/** One log line and one measurement for each request, and its id in the answer. */
export function observeRequests(app: App, { durations, answers, refusals }: Metrics): void {
  app.decorateRequest('denial', null);
  app.addHook('onRequest', (request, reply, done) => {
    // Nothing is kept by caches on the way unless its route says so: most answers are secrets or rights.
    void reply.header('x-request-id', answeredId(request)).header('cache-control', 'no-store');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    durations.observe({ method: request.method, route }, reply.elapsedTime / 1000);
    answers.inc({ method: request.method, route, status: reply.statusCode });
    const { refusal } = request;
    if (refusal !== null) refusals.inc({ code: refusal });
    // Asked every few seconds by machines, and of interest to nobody unless it fails.
    if (refusal === null && quiet.has(route)) return done();
    request.log.info(
      {
        reqId: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ip: request.ip,
        ...whoAndWhat(request),
      },
      'answered',
    );
    done();
  });
}

const quiet = new Set(['/healthz', '/readyz', '/metrics']);

type Observed = {
  caller: Caller | null;
  params: unknown;
  refusal: string | null;
  why: string | null;
  denial: Record<string, string> | null;
};

const [longestObject, longestReason] = [200, 300];

/**
 * Whose request it was, what it was about, the problem it got, and what was denied to a device. Members that say nothing are left
 * out.
 */
function whoAndWhat({ caller, params, refusal, why, denial }: Observed): Record<string, unknown> {
  const object = objectOf(params);
  return {
    ...(caller ? { account: caller.account, actor: caller.actor } : {}),
    ...(object === '' ? {} : { object }),
    ...(refusal === null ? {} : { problem: refusal, why: why?.slice(0, longestReason) }),
    ...(denial === null ? {} : { denied: denial }),
  };
}

/** The parameters of the path, which name the object. What a wildcard took may be anything, also an OCSP request, and stays out. */
function objectOf(params: unknown): string {
  const named = Object.entries((params ?? {}) as Record<string, string>).filter(([name]) => name !== '*');
  return named
    .map(([, value]) => value)
    .join('/')
    .slice(0, longestObject);
}
