import { now } from '../clock.js';

/** What a stream says: kinds that became stale, or that nothing is missing up to here. */
export type Word = { kinds?: string[]; cursor: string };

type Told = {
  word(word: Word): void;
  /** Whether a stream is there now. */
  open(isOpen: boolean): void;
  /** The server refuses it: nobody is signed in any more, or too many streams are open. */
  refused(): void;
};

const checkMs = 10_000;
// The server says something every ten seconds.
const silenceMs = 35_000;
const againMs = 30_000;

/** Follows what became stale until it is stopped. A stream that falls silent is opened anew, and continues where it was. */
export function openStream(after: string | undefined, { word, open, refused }: Told): () => void {
  let cursor = after;
  let source: EventSource | undefined;
  let heardAt = now().getTime();
  let retryAt = 0;

  const hear = ({ data }: MessageEvent<string>): void => {
    heardAt = now().getTime();
    const said = JSON.parse(data) as Word;
    cursor = said.cursor;
    open(true);
    word(said);
  };

  const connect = (): void => {
    source?.close();
    heardAt = now().getTime();
    source = new EventSource(cursor === undefined ? '/v1/stale' : `/v1/stale?after=${cursor}`);
    source.addEventListener('stale', hear);
    source.addEventListener('head', hear);
    source.addEventListener('error', () => {
      open(false);
      // A broken connection is opened again by the browser; an answer that is no stream is not.
      if (source?.readyState !== EventSource.CLOSED) return;
      retryAt = now().getTime() + againMs;
      refused();
    });
  };

  const check = setInterval(() => {
    const at = now().getTime();
    const isClosed = source?.readyState === EventSource.CLOSED;
    if (isClosed ? at >= retryAt : at - heardAt > silenceMs) connect();
  }, checkMs);
  connect();
  return () => {
    clearInterval(check);
    source?.close();
  };
}
