import { authoritiesOf, credentialsOf, secretOf, type Variable } from '../settings/config.js';
import type { BrokerSettings } from '../settings/shapes.js';
import { createArtemis } from './artemis.js';
import type { Broker, BrokerParts } from './broker.js';
import { createEmqx } from './emqx.js';
import { createHivemq } from './hivemq.js';
import { createNatsBroker } from './nats.js';
import { createMosquitto } from './mosquitto.js';
import { createRabbitmq } from './rabbitmq.js';
import { createVernemq } from './vernemq.js';
import { createWebhook } from './webhook.js';

/** What a kind of broker is made by. */
type Maker = (parts: BrokerParts) => Broker;

/** Kinds of brokers that a user with a password manages, by their names in the settings. */
export const kinds = {
  artemis: createArtemis,
  emqx: createEmqx,
  hivemq: createHivemq,
  nats: createNatsBroker,
  mosquitto: createMosquitto,
  rabbitmq: createRabbitmq,
  vernemq: createVernemq,
} as const satisfies Record<string, Maker>;

/** The name of such a kind. */
export type BrokerKind = keyof typeof kinds;

/** Opens nothing: the first question does. @throws EdgeConfigError for a file or secret that cannot be read */
export function createBroker(settings: BrokerSettings, variable: Variable, now: () => number): Broker {
  const parts: BrokerParts = {
    url: settings.url,
    credentials: credentialsOf(settings, variable),
    ca: authoritiesOf(settings),
    limits: settings.limits,
    now,
  };
  if (settings.kind !== 'webhook') return kinds[settings.kind](parts);
  const { secretFile: file, secretEnv: env } = settings;
  return createWebhook({ ...parts, secret: secretOf({ file, env }, variable) });
}
