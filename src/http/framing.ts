import type { FastifyInstance } from 'fastify';
import { DomainError } from '../errors.js';

const doubtful = new WeakSet<object>();

/** Whether nothing that still comes over a connection may be read as a request. */
export function isDoubtful(socket: object): boolean {
  return doubtful.has(socket);
}

/**
 * Refuses a request whose end is doubtful, with everything that comes after it on the connection: a proxy in front
 * that sees its end elsewhere would let one caller write the beginning of another's request (RFC 9112 §6.1, §11.2).
 * Node itself refuses two lengths, a length beside an encoding, and lengths that are no numbers.
 */
export function refuseDoubtfulFraming(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { headers, socket, url } = request.raw;
    // No name in Thingward has this character, and no database keeps it.
    if (url?.includes('%00')) return done(new DomainError('invalid-request', 'the URL holds U+0000: leave it out'));
    const coding = headers['transfer-encoding'];
    if ((coding === undefined || coding.toLowerCase() === 'chunked') && !doubtful.has(socket)) return done();
    doubtful.add(socket);
    void reply.header('connection', 'close');
    done(new DomainError('invalid-request', 'transfer-encoding: only chunked is read; the connection is closed'));
  });
}
