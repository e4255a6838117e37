/** A message on its way to a sink. */
export type Outgoing = {
  /** Stays the same over all tries, for whoever takes it to know a second one by. */
  id: string;
  account: string;
  thing: string;
  topic: string;
  payload: Uint8Array;
  priority: 'low' | 'normal' | 'high';
  /** Milliseconds since 1970. */
  at: number;
};

/** What is known of a sink. `delivered`, `dropped`, `refused` and `damaged` count since the edge runs. */
export type SinkCounts = {
  kept: number;
  /** Octets on the disk. */
  bytes: number;
  delivered: number;
  /** Given up because there was no more room, or too old. */
  dropped: number;
  /** Refused by the sink for ever. */
  refused: number;
  /** Lost to a damaged disk. */
  damaged: number;
  connected: boolean;
  /** When the oldest of what is kept was put there; undefined where nothing is. */
  oldestAt: number | undefined;
};

/** What an edge sends messages to, each with a queue on disk. */
export type Sinks = {
  has(name: string): boolean;
  /** Resolves once it is kept on the disk. @throws JournalFullError when the disk is full, Error for a sink that is not there */
  put(sink: string, message: Outgoing): Promise<void>;
  counts(): Record<string, SinkCounts>;
  /** Reads passwords, secrets and certificates again. @throws EdgeConfigError; the old ones stay then */
  reload(): void;
  /** Ends deliveries. What is kept stays on the disk. */
  close(): Promise<void>;
};
