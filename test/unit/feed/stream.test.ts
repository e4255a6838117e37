import { describe, expect, it } from 'vitest';
import { followerView, type LogEntry } from '../../../src/log/entries.js';
import { createStream } from '../../../src/feed/stream.js';

const entry = (position: number, account = 'acme'): LogEntry => ({
  position,
  at: new Date(0),
  account,
  type: 'certificate',
  payload: {
    serialNumber: String(position),
    fingerprint: 'f0',
    thingName: 'pump',
    issuer: 'i1',
    index: 1,
    notAfter: '2030-01-01T00:00:00Z',
    reason: 'unspecified',
  },
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

const follower = (account: string, id = 'key', expiresAt: Date | null = null) => ({ account, id, expiresAt });

let now = new Date(0);
const newStream = (most = { perKey: 1000, perAccount: 1000 }) =>
  createStream({ clock: () => now, cursorAt: (position) => `epoch:${position}`, most, view: { of: followerView } });

describe('the stream', () => {
  it('writes an entry out once, whatever the number of listeners', () => {
    const stream = newStream();
    const listeners = Array.from({ length: 100 }, () => connection());
    for (const { sink } of listeners) stream.join(follower('acme'), sink).live(0);
    const stranger = connection();
    stream.join(follower('other'), stranger.sink).live(0);
    stream.push(entry(1));
    const [first] = listeners;
    expect(first!.written).toHaveLength(2);
    for (const { written } of listeners) expect(written[1]).toBe(first!.written[1]);
    expect(stranger.written).toHaveLength(1);
  });

  it('cuts a listener that does not take what is sent, and keeps the others', () => {
    const stream = newStream();
    const [stuck, quick] = [connection(true), connection()];
    for (const { sink } of [stuck, quick]) stream.join(follower('acme'), sink).live(0);
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
    const stream = newStream();
    const late = connection();
    const joined = stream.join(follower('acme'), late.sink);
    for (let position = 1; position <= 10_001; position++) stream.push(entry(position));
    expect(late.hasEnded()).toBe(true);
    joined.live(0);
    expect(late.written.length).toBeLessThanOrEqual(1);
  });

  it('the same for octets: entries of edges may be long', () => {
    const stream = createStream({
      clock: () => now,
      cursorAt: String,
      most: { perKey: 9, perAccount: 9 },
      view: { of: ({ position }) => ({ position, document: 'x'.repeat(250_000) }) },
    });
    const [late, quick] = [connection(), connection()];
    stream.join(follower('acme'), late.sink);
    stream.join(follower('acme'), quick.sink).live(0);
    let position = 0;
    while (!late.hasEnded() && position < 100) stream.push(entry(++position));
    expect([position, quick.hasEnded(), stream.size()]).toEqual([17, false, 1]);
  });

  it('ends with its key, before another entry is sent', () => {
    now = new Date(0);
    const stream = newStream();
    const [short, long] = [connection(), connection()];
    stream.join(follower('acme', 'short', new Date(1000)), short.sink).live(0);
    stream.join(follower('acme', 'long', new Date(9000)), long.sink).live(0);
    now = new Date(1000);
    stream.push(entry(1));
    expect([short.hasEnded(), short.written.length]).toEqual([true, 1]);
    expect([long.hasEnded(), long.written.length]).toEqual([false, 2]);
    now = new Date(9000);
    stream.endExpired();
    expect([long.hasEnded(), stream.size()]).toEqual([true, 0]);
  });

  it('has room for so many of a key and so many of an account, and room again when one leaves', () => {
    const stream = newStream({ perKey: 2, perAccount: 3 });
    const join = (account: string, id: string) => stream.join(follower(account, id), connection().sink);
    const first = join('acme', 'a');
    join('acme', 'a');
    expect(() => join('acme', 'a')).toThrow('this key has 2 open streams');
    join('acme', 'b');
    expect(() => join('acme', 'b')).toThrow('this account has 3 open streams');
    join('other', 'c');
    first.leave();
    first.leave();
    join('acme', 'a');
    expect(() => join('acme', 'b')).toThrow('this account');
    stream.endAll();
    join('acme', 'a');
  });

  it('a listener that was cut while the past was sent is told nothing more', () => {
    const stream = newStream();
    const late = connection();
    const joined = stream.join(follower('acme'), late.sink);
    stream.push({ ...entry(1), type: 'key', payload: { id: 'key', status: 'deleted' } });
    expect([late.hasEnded(), joined.isIn()]).toEqual([true, false]);
    joined.live(1);
    expect(late.written).toEqual([]);
  });

  it('ends with its session, whoever else listens', () => {
    const [key, tab, other] = [connection(), connection(), connection()];
    const session = (person: string) => ({ id: `s-${person}`, person, methods: [], authenticatedAt: now, touch() {} });
    const signedIn = (person: string) => ({
      ...follower('acme', `s-${person}`),
      session: { ...session(person), isLive: () => true },
    });
    // The stream of the feed shows no entry about people.
    const hidden = createStream({
      clock: () => now,
      cursorAt: String,
      most: { perKey: 9, perAccount: 9 },
      view: { of: () => undefined },
    });
    hidden.join(follower('acme'), key.sink).live(0);
    hidden.join(signedIn('ada'), tab.sink).live(0);
    hidden.join(signedIn('bob'), other.sink).live(0);
    hidden.push({ ...entry(1), type: 'person', payload: { id: 'ada' } });
    expect([key.hasEnded(), tab.hasEnded(), other.hasEnded(), hidden.size()]).toEqual([false, true, false, 2]);
  });
});
