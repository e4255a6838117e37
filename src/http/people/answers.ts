import type { FastifyReply, FastifyRequest } from 'fastify';
import { DomainError } from '../../errors.js';
import { originOf } from '../request.js';
import type { App } from '../route.js';
import { setCookie } from './cookies.js';

const sessionSeconds = 12 * 3600;
const transactionSeconds = 600;

/** Who asks, with the browser that they use. */
export function requesterOf(request: FastifyRequest) {
  return { origin: originOf(request), userAgent: request.headers['user-agent'] };
}

/** Gives a browser the secret of its session; what led there is taken away. */
export function giveSession(reply: FastifyReply, token: string): void {
  setCookie(reply, 'session', { value: token, maxAge: sessionSeconds });
  setCookie(reply, 'signin', { value: '', maxAge: 0 });
}

/** Takes the session of a browser away. */
export function takeSession(reply: FastifyReply): void {
  setCookie(reply, 'session', { value: '', maxAge: 0 });
}

/** Lets a browser keep what was shown so far. */
export function giveTransaction(reply: FastifyReply, value: string): void {
  setCookie(reply, 'signin', { value, maxAge: transactionSeconds });
}

/** Nobody keeps answers about people, and nobody signs in where their cookie could be read on the way. */
export function keepPrivate(app: App): void {
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.header('cache-control', 'no-store');
    if (app.site?.takesPeople !== false) return done();
    done(
      new DomainError(
        'sign-in-refused',
        'people sign in over https, or on this machine: put TLS in front and set THINGWARD_PUBLIC_URL',
      ),
    );
  });
}
