/** What a pipeline document may hold, and what a pipeline may keep. */
export const pipelineLimits = {
  /** Characters of the document as JSON. */
  characters: 65_536,
  steps: 32,
  values: 64,
  topics: 32,
  types: 32,
  sinks: 8,
  conditions: 32,
  /** Values of a record with all that steps add. */
  fields: 512,
  /** Numbers that one step keeps of each value. */
  window: 1000,
  /** Records of a window that counts them. */
  last: 10_000,
  /** The longest window of time, in seconds. */
  windowSeconds: 86_400,
  /** Windows of time that are open at once for one thing. */
  openWindows: 128,
  /** Values of which percentiles are told, for each window of time and value. */
  keptValues: 4000,
  batch: 1000,
  batchSeconds: 86_400,
  things: 100_000,
  /** Numbers kept of one thing, and of all things together. */
  numbersOfThing: 200_000,
  numbers: 200_000_000,
  /** Octets of one message. */
  payload: 262_144,
  /** Records of one message, and values of each. */
  recordsOfMessage: 1000,
  /** Names of metrics that are remembered for a thing that sends aliases. */
  aliases: 2000,
  /** Characters of a value that is a text. */
  text: 1024,
  /** Numbers beyond this are no measurements, and their squares would be no numbers. */
  magnitude: 1e100,
  /** How far ahead of its arrival a message may say it is. */
  aheadMs: 86_400_000,
  /** Of everything wrong with a document, so much is told. */
  findings: 100,
} as const;
