import { connectAsync } from 'mqtt';
import type { Gate } from '../gate.js';
import { readAuthorities } from '../proxy/tls-identity.js';
import type { Timers } from '../proxy/sessions.js';
import type { Troubles } from '../proxy/troubles.js';
import type { Witness } from '../proxy/witness.js';
import { readTextFile, type EdgeConfig } from '../settings/config.js';
import { createCourier, type CommandDesk, type Courier } from './courier.js';
import { createPublisher } from './publisher.js';

type Deps = {
  config: Pick<EdgeConfig, 'gateway' | 'upstream' | 'name'>;
  desk: CommandDesk & { follow(heard: (thingName: string | undefined) => void): void };
  gate: Pick<Gate, 'now' | 'standing' | 'judge'>;
  timers: Timers;
  witness: Pick<Witness, 'decided' | 'refused'>;
  troubles: Troubles;
};

type Settings = NonNullable<NonNullable<EdgeConfig['gateway']>['commands']>;

function connectionOf(settings: Settings, upstream: NonNullable<EdgeConfig['upstream']['mqtt']>) {
  const { username, passwordFile, url = upstream.url } = settings;
  return {
    url,
    username,
    ca: readAuthorities(settings.caFile ?? (settings.url === undefined ? upstream.caFile : undefined)),
    readPassword: (): string | undefined =>
      passwordFile === undefined ? undefined : readTextFile(passwordFile, 'a password').replace(/\r?\n$/, ''),
  };
}

const checkMs = 10_000;

/**
 * Tries whether the broker lets the edge itself in, under another client id than the edge that may run now. @throws Error
 */
export async function tryCommands({ gateway, upstream, name }: Deps['config']): Promise<string> {
  if (!gateway?.commands || !upstream.mqtt) return 'no commands are carried';
  const { url, username, ca, readPassword } = connectionOf(gateway.commands, upstream.mqtt);
  const password = readPassword();
  const client = await connectAsync(
    url,
    {
      clientId: `thingward/check/${name}`,
      protocolVersion: 5,
      reconnectPeriod: 0,
      connectTimeout: checkMs,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(ca === undefined ? {} : { ca }),
    },
    false,
  );
  await client.endAsync();
  return `${url} lets the edge itself in, which publishes commands`;
}

/** Reads the files that commands need. @throws EdgeConfigError for one that cannot be read */
export function requireCommandFiles({ gateway, upstream }: Pick<Deps['config'], 'gateway' | 'upstream'>): void {
  if (gateway?.commands && upstream.mqtt) connectionOf(gateway.commands, upstream.mqtt).readPassword();
}

/** Carries commands, where the settings want it. @throws EdgeConfigError for a file that cannot be read */
export function openCourier({ config, desk, troubles, ...deps }: Deps): (Courier & { reload(): void }) | undefined {
  const settings = config.gateway?.commands;
  const upstream = config.upstream.mqtt;
  if (!settings || !upstream) return undefined;
  const { url, ca, username, readPassword } = connectionOf(settings, upstream);
  let password = readPassword();
  const publisher = createPublisher({
    url,
    // No thing has such a name, so that no device has this client id.
    clientId: `thingward/edge/${config.name}`,
    credentials: () => ({ username, password }),
    ca,
    timers: deps.timers,
    opened() {
      troubles.works('publishing');
      courier.connected();
    },
    failed: (error) => troubles.failed(error, 'publishing'),
  });
  const courier = createCourier({ ...deps, desk, publisher });
  desk.follow(courier.waits);
  return { ...courier, reload: () => void (password = readPassword()) };
}
