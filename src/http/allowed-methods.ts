import type { FastifyInstance } from 'fastify';
import findMyWay from 'find-my-way';

/** The methods that the routes of a server know for a path, in order; empty when there is no such path. */
export type AllowedMethods = (path: string) => string[];

/** Notes every route of `app` that is registered after this, the way that the router of Fastify matches them. */
export function noteMethods(app: FastifyInstance, maxParamLength: number): AllowedMethods {
  const router = findMyWay({ maxParamLength });
  const methods = new Set<findMyWay.HTTPMethod>();
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat() as findMyWay.HTTPMethod[]) {
      methods.add(each);
      if (!router.hasRoute(each, url)) router.on(each, url, () => {});
    }
  });
  return (path) => [...methods].filter((method) => router.find(method, path) !== null).sort();
}
