import type { Broker, BrokerParts } from './broker.js';
import { createRabbitmq } from './rabbitmq.js';

/** What a kind of broker is made by. */
type Maker = (parts: BrokerParts) => Broker;

/** Every kind of broker that the reaper knows, by its name in the settings. */
export const kinds = {
  rabbitmq: createRabbitmq,
} as const satisfies Record<string, Maker>;

/** The name of a kind. */
export type BrokerKind = keyof typeof kinds;
