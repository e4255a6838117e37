/** One message of what a device published; a pack of several times is several. */
export type Decoded = {
  /** Milliseconds since 1970, where the form itself says it. */
  time: number | undefined;
  message: unknown;
};

/** What a decoder remembers of a thing. */
export type DecoderState = { aliases: Map<string, Metric> | undefined };
/** How a thing has introduced a metric. */
export type Metric = { name: string; datatype: number | undefined };

/** Reads what was published. `at` is when it came. @throws RangeError or a SyntaxError for what is not of the form */
export type Decode = (payload: Uint8Array, at: number, state: DecoderState) => Decoded[];

/** What is wrong with a payload. */
export const malformed = (what: string): RangeError => new RangeError(what);
