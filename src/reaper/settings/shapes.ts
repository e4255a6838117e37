import { z } from 'zod';
import { duration, host, isBare, isTemplate, name, port, text, unitMs, url } from '../../edge/settings/members.js';

const second = unitMs['s']!;
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be the name of an environment variable');

/** What every broker has, of whatever kind. */
export const everyBroker = {
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, and _ -'),
  user: z
    .string()
    .min(1)
    .max(1024)
    .refine(isTemplate, 'knows ${account} and ${thing.name}, and no other variable')
    .refine((given) => given.split('${thing.name}').length === 2, 'must have ${thing.name} once')
    .default('${thing.name}'),
  validity: duration(0, 7 * unitMs['d']!).default(5 * second),
  limits: z
    .strictObject({
      concurrency: z.int().min(1).max(64).default(8),
      timeout: duration(100, 5 * unitMs['m']!).default(10 * second),
      answerBytes: z.int().min(1024).max(268_435_456).default(8_388_608),
      sessions: z.int().min(1).max(1_000_000).default(100_000),
    })
    .prefault({}),
};

/** How a broker is managed over HTTP. */
export const managed = {
  url: url(['https', 'http']),
  username: text.optional(),
  passwordFile: text.optional(),
  passwordEnv: variable.optional(),
  caFile: text.optional(),
};

const broker = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.enum(['artemis', 'emqx', 'hivemq', 'rabbitmq', 'vernemq']), ...everyBroker, ...managed }),
    z.strictObject({ kind: z.literal('nats'), ...everyBroker, ...managed, url: url(['nats', 'tls']) }),
  ],
  'must be artemis, emqx, hivemq, nats, rabbitmq or vernemq',
);

/** The shape of `reaper.yaml`. Every member that is not named here is refused. */
export const reaperFile = z.strictObject({
  server: url(['https', 'http']).refine(isBare, 'must have no path'),
  keyFile: text,
  name: name.max(63, 'must be at most 63 letters'),
  stateDir: text,
  brokers: z.array(broker).min(1, 'must have at least one broker').max(32),
  monitor: z.strictObject({ host: host.default('127.0.0.1'), port: port.default(9465) }).optional(),
});

/** A valid file, with its defaults. */
export type ReaperFile = z.output<typeof reaperFile>;
/** One of its brokers. */
export type BrokerSettings = ReaperFile['brokers'][number];
