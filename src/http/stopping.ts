import type { FastifyInstance } from 'fastify';
import { DomainError } from '../errors.js';
import { isForBrokers } from './credentials.js';

/**
 * Refuses what still comes over open connections once the server stops. Questions of brokers and proxies are answered until
 * the last of them has closed: some take a status that they do not know for a yes.
 */
export function refuseWhileStopping(app: FastifyInstance): void {
  let isStopping = false;
  app.addHook('preClose', (done) => {
    isStopping = true;
    done();
  });
  app.addHook('onRequest', (request, _reply, done) => {
    if (!isStopping || isForBrokers(request)) return done();
    done(
      new DomainError('not-ready', 'this server is stopping: ask another instance, or try again', { retryAfter: 1 }),
    );
  });
}
