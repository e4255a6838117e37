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

export type Witness = (tx: Transaction) => Promise<void>;

/** What this program does on its own or from the command line. */
export const systemOrigin: Origin = { actor: 'system' };

/** What is kept of an origin for work that goes on after the request. */
export const storedOrigin = ({ actor, requestId, sourceIp }: Origin) => ({
  actor,
  ...(requestId === undefined ? {} : { requestId }),
  ...(sourceIp === undefined ? {} : { sourceIp }),
});
