import type { Kept } from './message.js';

/** What became of a message: the sink has it, or will never take it. */
export type Result = 'delivered' | 'refused';

/** What became of the first messages of a batch, as far as it came, and why it came no further. */
export type Outcome = { results: Result[]; error?: Error };

/** One kind of sink. */
export type Driver = {
  /** The largest batch. */
  most: { records: number; bytes: number };
  /**
   * Delivers messages in order, and connects where it has to. What has no result is tried again, under the same id. A driver refuses only
   * what the sink says of the message itself: what is wrong with credentials or settings can be mended, and nothing is lost for it.
   */
  deliver(batch: readonly Kept[], signal: AbortSignal): Promise<Outcome>;
  isConnected(): boolean;
  /** Tries whether the sink can be reached and lets the edge in. @throws Error */
  probe(): Promise<string>;
  /** Reads files again; the next connection uses them. @throws EdgeConfigError; the old ones stay then */
  reload(): void;
  close(): Promise<void>;
};
