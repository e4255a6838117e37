import { describe, expect, it } from 'vitest';
import type { LogEntry } from '../../../src/log/reader.js';
import { createStream } from '../../../src/revocation/stream.js';

const entry = (position: number, account = 'acme'): LogEntry => ({
  position,
  at: new Date(0),
  account,
  type: 'certificate',
  payload: { serialNumber: String(position) },
});

/** A connection that takes what is written until it is full, as a socket does whose other end has stopped reading. */
function connection(isStuck = false) {
  const written: Buffer[] = [];
  let ended = false;
  const sink = {
    write: (bytes: Buffer) => written.push(bytes) > 0,
    waiting: () => (isStuck ? written.reduce((sum, { length }) => sum + length, 0) : 0),
    end: () => void (ended = true),
  };
  return { sink, written, hasEnded: () => ended };
}

describe('the stream', () => {
  it('writes an entry out once, whatever the number of listeners', () => {
    const stream = createStream((position) => `epoch:${position}`);
    const listeners = Array.from({ length: 100 }, () => connection());
    for (const { sink } of listeners) stream.join('acme', 'key', sink).live(0);
    const stranger = connection();
    stream.join('other', 'key', stranger.sink).live(0);
    stream.push(entry(1));
    const [first] = listeners;
    expect(first!.written).toHaveLength(2);
    for (const { written } of listeners) expect(written[1]).toBe(first!.written[1]);
    expect(stranger.written).toHaveLength(1);
  });

  it('cuts a listener that does not take what is sent, and keeps the others', () => {
    const stream = createStream((position) => `epoch:${position}`);
    const [stuck, quick] = [connection(true), connection()];
    for (const { sink } of [stuck, quick]) stream.join('acme', 'key', sink).live(0);
    let position = 0;
    while (!stuck.hasEnded() && position < 100_000) stream.push(entry(++position));
    const waiting = stuck.sink.waiting();
    expect(waiting).toBeGreaterThan(1024 * 1024);
    expect(waiting).toBeLessThan(1024 * 1024 + 1000);
    stream.push(entry(++position));
    expect(stuck.sink.waiting()).toBe(waiting);
    expect([quick.hasEnded(), quick.written.length]).toEqual([false, position + 1]);
    expect(stream.size()).toBe(1);
  });

  it('cuts a listener for whom more waits while the past is sent than it could ever take', () => {
    const stream = createStream((position) => `epoch:${position}`);
    const late = connection();
    const joined = stream.join('acme', 'key', late.sink);
    for (let position = 1; position <= 10_001; position++) stream.push(entry(position));
    expect(late.hasEnded()).toBe(true);
    joined.live(0);
    expect(late.written.length).toBeLessThanOrEqual(1);
  });
});
