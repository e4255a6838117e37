import type { Config } from '../config.js';
import type { Door, Shared } from '../door.js';
import type { GuardedFetch } from '../outbound/fetch.js';
import type { SendMail } from '../outbound/mail.js';
import { createEngine } from './engine.js';
import { createQueueStore } from './queue-store.js';
import { sealedAs } from '../sealing.js';
import { createSender } from './sender.js';
import { createReceiverStore } from './store.js';
import type { Deliveries } from './verbs.js';

type Deps = Pick<Shared, 'db' | 'clock' | 'sealer' | 'onError'> & {
  config: Pick<Config, 'publicUrl'>;
  fetch: GuardedFetch;
  mail: SendMail | undefined;
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
      seal: (id, secret) => sealer.seal(Buffer.from(secret), sealedAs.receiver(id)),
    },
    routes: [],
    chores: [
      { name: 'deliver', everyMs: 1000, instances: 'one', run: engine.run },
      { name: 'sweep-deliveries', everyMs: 10_000, instances: 'any', run: engine.sweep },
    ],
    close: engine.stop,
  };
}
