import type { AppResources, buildApp } from './app.js';
import { systemClock } from './clock.js';
import { ConfigError, type Config } from './config.js';
import { DomainError } from './errors.js';
import { systemOrigin } from './origin.js';
import type { Surroundings } from './door.js';
import { openResources, type OpenResources } from './resources.js';

/** A server that answers requests. */
export type OpenServer = Omit<OpenResources, 'close'> & {
  app: Awaited<ReturnType<typeof buildApp>>;
  /** The listener for EST, where there is one. */
  est: OpenServer['app'] | undefined;
  /** Shown by the instance that made the account `default`, unless the settings brought the key. */
  ownerKey: string | undefined;
  /** Makes the first person; shown beside the owner key. */
  ownerLink: string | undefined;
  /** Ends requests and streams, writes what waits to be written, and gives the lease back. */
  stop(): Promise<void>;
};

type Options = Partial<Surroundings> & {
  logger?: AppResources['logger'];
  /** `called` does nothing in the background by itself: a test says when. */
  chores?: 'timed' | 'called';
};

const mostConnections = 20_000;

/** Opens the database, and listens. @throws ConfigError */
export async function openServer(
  config: Config,
  { logger, chores = 'timed', clock = systemClock, ...surroundings }: Options,
): Promise<OpenServer> {
  // The program is read while the database opens.
  const [resources, { buildApp, buildPkiApp, buildEstApp, openTraces }] = await Promise.all([
    openResources(config, { ...surroundings, clock }),
    import('./app.js'),
  ]);
  const { services, database, migrated } = resources;
  const { ownerKey, ownerLink } = await ensureDefaultAccount(resources, config);
  const mounted = { config, services, clock, logger, tracing: await openTraces(config) };
  const app = await buildApp(mounted);
  if (chores === 'timed') services.chores.start();
  app.server.maxConnections = mostConnections;
  await listen(app, config, 'THINGWARD_HOST and THINGWARD_PORT');
  const pki = config.pki && (await buildPkiApp(mounted));
  if (pki && config.pki) {
    pki.server.maxConnections = mostConnections;
    await listen(pki, config.pki, 'THINGWARD_PKI_HOST and THINGWARD_PKI_PORT');
  }
  const est = config.est && (await buildEstApp(mounted, config.est.tls));
  if (est && config.est) {
    est.server.maxConnections = mostConnections;
    await listen(est, config.est, 'THINGWARD_EST_HOST and THINGWARD_EST_PORT');
  }
  const stop = async (): Promise<void> => {
    await Promise.all([app.close(), pki?.close(), est?.close()]);
    await resources.close();
    await mounted.tracing?.stop();
  };
  return { app, est, services, database, migrated, ownerKey, ownerLink, stop };
}

async function listen(
  app: OpenServer['app'],
  { host, port }: { host: string; port: number },
  settings: string,
): Promise<void> {
  await app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(
      `cannot listen on ${host} port ${port} (${error.code}): set ${settings} to an address that is free`,
    );
  });
}

type FirstSecrets = Pick<OpenServer, 'ownerKey' | 'ownerLink'>;

const nothingToShow: FirstSecrets = { ownerKey: undefined, ownerLink: undefined };

/** Makes the account `default` on the first start. Returns its owner key, and a link for its first person, to the instance that made it. */
async function ensureDefaultAccount({ services }: OpenResources, config: Config): Promise<FirstSecrets> {
  if (await services.accounts.exists('default')) return nothingToShow;
  try {
    const { ownerKey } = await services.accounts.create({ name: 'default' }, systemOrigin, config.ownerKey);
    if (config.ownerKey !== undefined) return nothingToShow;
    const { link } = await services.people.ownerLink('default', systemOrigin);
    return { ownerKey, ownerLink: link };
  } catch (error) {
    // Another instance that started at the same time was first.
    if (error instanceof DomainError && error.code === 'account-exists') return nothingToShow;
    throw error;
  }
}
