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

/** Carries commands, where the settings want it. @throws EdgeConfigError for a file that cannot be read */
export function openCourier({ config, desk, troubles, ...deps }: Deps): (Courier & { reload(): void }) | undefined {
  const settings = config.gateway?.commands;
  const upstream = config.upstream.mqtt;
  if (!settings || !upstream) return undefined;
  const { username, passwordFile } = settings;
  const readPassword = (): string | undefined =>
    passwordFile === undefined ? undefined : readTextFile(passwordFile, 'a password').replace(/\r?\n$/, '');
  let password = readPassword();
  const publisher = createPublisher({
    url: settings.url ?? upstream.url,
    // No thing has such a name, so that no device has this client id.
    clientId: `thingward/edge/${config.name}`,
    credentials: () => ({ username, password }),
    ca: readAuthorities(settings.caFile ?? (settings.url === undefined ? upstream.caFile : undefined)),
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
