import type { QueueStore } from './queue-store.js';
import type { Send } from './sender.js';
import type { ReceiverStore } from './store.js';

/** What rooms need that have something to tell. */
export type Deliveries = Pick<QueueStore, 'queue' | 'publish'> & {
  receivers: ReceiverStore;
  /** Tells something at once, past the queue. */
  send: Send;
  seal(id: string, secret: string): Buffer;
};
