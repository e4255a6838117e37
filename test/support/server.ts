import { buildApp } from '../../src/app.js';
import type { Clock } from '../../src/clock.js';
import { loadConfig } from '../../src/config.js';
import { openResources, type OpenResources } from '../../src/resources.js';
import { systemOrigin } from '../../src/origin.js';
import { createClient, type Client } from './client.js';
import { freshDatabase, type DatabaseKind } from './databases.js';
import { freePort } from './ports.js';

/** The real server in this process, on a port, over a fresh database, with a clock that a test can move. */
export type TestServer = OpenResources & {
  url: string;
  ownerKey: string;
  /** Calls with the owner key. */
  owner: Client;
  as(token: string | undefined): Client;
  /** Moves the server's clock by seconds. */
  advance(seconds: number): void;
  now(): Date;
  stop(): Promise<void>;
};

export async function startServer(kind: DatabaseKind, settings: Record<string, string> = {}): Promise<TestServer> {
  const database = await freshDatabase(kind);
  const port = await freePort();
  const config = loadConfig({ THINGWARD_PORT: String(port), LOG_LEVEL: 'silent', ...database.settings, ...settings });
  let offsetMs = 0;
  const clock: Clock = () => new Date(Date.now() + offsetMs);
  const resources = await openResources(config, clock);
  const { ownerKey } = await resources.services.accounts.create({ name: 'default' }, systemOrigin, config.ownerKey);
  const app = await buildApp({ config, services: resources.services, clock, checkReady: async () => {} });
  await app.listen({ host: config.host, port });
  const url = `http://127.0.0.1:${port}`;
  const as = (token: string | undefined) => createClient(url, token);
  return {
    ...resources,
    url,
    ownerKey,
    owner: as(ownerKey),
    as,
    advance: (seconds) => (offsetMs += seconds * 1000),
    now: clock,
    async stop() {
      await app.close();
      await resources.close();
      database.remove();
    },
  };
}
