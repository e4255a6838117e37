import type { FastifyInstance, RouteOptions } from 'fastify';
import { DomainError } from '../errors.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route compares If-Match with the ETag of the object that it changes. */
    conditional?: true;
  }
}

const changing = ['PATCH', 'PUT', 'DELETE'];

/** Whether a route takes If-Match: one that changes an object, or a POST that acts on one. */
export const isConditional = ({ method, config = {} }: Pick<RouteOptions, 'method' | 'config'>): boolean =>
  config.conditional === true && [method].flat().some((each) => [...changing, 'POST'].includes(each));

/** Refuses If-Match where nothing has an ETag: what cannot be compared does not match. `*` matches what there is. */
export function installPreconditions(app: FastifyInstance): void {
  app.addHook('preHandler', (request, _reply, done) => {
    const { 'if-match': ifMatch } = request.headers;
    const { config } = request.routeOptions;
    if (ifMatch === undefined || ifMatch.trim() === '*' || !changing.includes(request.method)) return done();
    if (config.conditional) return done();
    done(new DomainError('precondition-failed', 'this object has no ETag: leave If-Match out, or send *'));
  });
}
