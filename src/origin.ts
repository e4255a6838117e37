import type { Transaction } from './db/client.js';

/** Who did something, in which request, from where: what the audit records. */
export type Origin = {
  actor: string;
  requestId?: string;
  sourceIp?: string;
  /** The object must still be what its sender knows (`requireMatch`). */
  ifMatch?: string | undefined;
  /** Runs in the transaction of each change that is made for it, and undoes the change by throwing. */
  witness?: Witness | undefined;
};

/** Looks at the transaction of a change, and may throw. */
export type Witness = (tx: Transaction) => Promise<void>;

/** What this program does on its own or from the command line. */
export const systemOrigin: Origin = { actor: 'system' };

/** What is kept of an origin for work that continues after the request. */
export type StoredOrigin = Pick<Origin, 'actor' | 'requestId' | 'sourceIp'>;

/** The part of an origin that is kept. */
export const storedOrigin = ({ actor, requestId, sourceIp }: Origin): StoredOrigin => ({
  actor,
  ...(requestId === undefined ? {} : { requestId }),
  ...(sourceIp === undefined ? {} : { sourceIp }),
});
