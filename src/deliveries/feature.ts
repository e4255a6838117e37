import type { Config } from '../config.js';
import type { Door, Shared } from '../door.js';
import type { GuardedFetch } from '../outbound/fetch.js';
import type { SendMail } from '../outbound/mail.js';
import { createEngine } from './engine.js';
import { createQueueStore, type QueueStore } from './queue-store.js';
import { createSender, secretContext, type Send } from './sender.js';
import { createReceiverStore, type ReceiverStore } from './store.js';

type Deps = Pick<Shared, 'db' | 'clock' | 'sealer' | 'onError'> & {
  config: Pick<Config, 'publicUrl'>;
  fetch: GuardedFetch;
  mail: SendMail | undefined;
};

/** What rooms need that have something to tell. */
export type Deliveries = Pick<QueueStore, 'queue' | 'publish'> & {
  receivers: ReceiverStore;
  /** Tells something at once, past the queue. */
  send: Send;
  seal(id: string, secret: string): Buffer;
};

/** Tells receivers what happens: queues in the database, one for each. */
export function createDeliveries(deps: Deps): Door<Deliveries> {
  const { db, clock, sealer, config, onError } = deps;
  const store = createQueueStore(db);
  const send = createSender({ ...deps, publicUrl: config.publicUrl });
  const engine = createEngine({ store, send, clock, onError });
  return {
    verbs: {
      queue: store.queue,
      publish: store.publish,
      receivers: createReceiverStore(db),
      send,
      seal: (id, secret) => sealer.seal(Buffer.from(secret), secretContext(id)),
    },
    routes: [],
    chores: [
      { name: 'deliver', everyMs: 1000, instances: 'one', run: engine.run },
      { name: 'sweep-deliveries', everyMs: 10_000, instances: 'any', run: engine.sweep },
    ],
    close: engine.stop,
  };
}
