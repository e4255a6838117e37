import type { Duplex } from 'node:stream';
import type { Timers } from './options.js';

/**
 * Writes the last octets, reads on without looking, and destroys the stream once the other side closed it too or the time is
 * over. Resolves when it is destroyed.
 */
export function finish(stream: Duplex, last: Buffer | undefined, ms: number, timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve(abandon(stream));
    const timer = timers.setTimeout(() => stream.destroy(), ms);
    const check = (): void => {
      if (stream.readableEnded && stream.writableFinished) stream.destroy();
    };
    stream.once('close', () => {
      timers.clearTimeout(timer);
      resolve();
    });
    stream.removeAllListeners('data');
    stream.on('data', () => {});
    stream.once('end', check);
    stream.once('finish', check);
    stream.resume();
    if (last === undefined) stream.end();
    else stream.end(last);
  });
}

/** Destroys a stream at once. Resolves when it is. */
export function abandon(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve();
    stream.once('close', resolve);
    stream.destroy();
  });
}
