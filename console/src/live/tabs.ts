import { openStream, type Word } from './stream.js';

type Said = { word: Word } | { isOpen: boolean };

type Told = Parameters<typeof openStream>[1];

const name = 'thingward-stale';

/**
 * Follows what became stale until it is stopped. Of the tabs of one browser one alone holds a stream and tells the others: six
 * connections are all that a browser has for a server, and a seventh tab with a stream of its own would show nothing at all.
 */
export function followTogether(told: Told): () => void {
  const channel = new BroadcastChannel(name);
  const stopped = new AbortController();
  let cursor: string | undefined;

  const take = (said: Said): void => {
    if ('isOpen' in said) return told.open(said.isOpen);
    cursor = said.word.cursor;
    told.open(true);
    told.word(said.word);
  };
  channel.onmessage = ({ data }: MessageEvent<Said>) => take(data);
  const tellAll = (said: Said): void => {
    take(said);
    channel.postMessage(said);
  };

  const lead = (): Promise<void> => {
    const stop = openStream(cursor, {
      word: (word) => tellAll({ word }),
      open: (isOpen) => tellAll({ isOpen }),
      refused: told.refused,
    });
    return new Promise((resolve) =>
      stopped.signal.addEventListener('abort', () => {
        stop();
        channel.close();
        resolve();
      }),
    );
  };
  // Locks are there where the page came by https or from this machine; elsewhere each tab follows by itself.
  const { locks } = navigator as { locks?: LockManager };
  if (locks === undefined) void lead();
  else void locks.request(name, { signal: stopped.signal }, lead).catch(() => channel.close());
  return () => stopped.abort();
}
