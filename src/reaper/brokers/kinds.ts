import { createArtemis } from './artemis.js';
import type { Broker, BrokerParts } from './broker.js';
import { createEmqx } from './emqx.js';
import { createHivemq } from './hivemq.js';
import { createNatsBroker } from './nats.js';
import { createRabbitmq } from './rabbitmq.js';
import { createVernemq } from './vernemq.js';

/** What a kind of broker is made by. */
type Maker = (parts: BrokerParts) => Broker;

/** Every kind of broker that the reaper knows, by its name in the settings. */
export const kinds = {
  artemis: createArtemis,
  emqx: createEmqx,
  hivemq: createHivemq,
  nats: createNatsBroker,
  rabbitmq: createRabbitmq,
  vernemq: createVernemq,
} as const satisfies Record<string, Maker>;

/** The name of a kind. */
export type BrokerKind = keyof typeof kinds;
