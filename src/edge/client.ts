import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { piecesOf, textOf } from './body.js';
import { readEvents } from './event-stream.js';
import { encodeCursor, parseCursor } from '../log/cursor.js';
import { createRevokedSet, readFeedEntry, type FeedEntry, type FeedSnapshot } from './revoked-set.js';

export { openGapList, openStatusList, type RevokedIndices } from './compact.js';
export { createDecider, type Answer, type Decider, type DeciderOptions } from './decider/decider.js';

/** How {@link followRevocations} follows. */
export type FollowOptions = {
  /** Where Thingward is, such as `https://things.example.com`. */
  server: string;
  /** An API key with `revocations:read`. */
  key: string;
  /** What this edge is called; what it has applied is confirmed under this name. */
  name: string;
  /** Told of every revocation, hold and suspension as it is applied: the moment to close live sessions. */
  onRevoked?: (entry: FeedEntry) => void;
  /** Told when everything may have changed: after a snapshot was read in place of the feed. */
  onReload?: () => void;
  /** Told of what went wrong; it is tried again. */
  onError?: (error: Error) => void;
  fetch?: typeof fetch;
  /** A monotonic clock, in milliseconds; by default the one of this machine. */
  now?: () => number;
};

/** How the server is followed now. */
export type Mode = 'starting' | 'stream' | 'poll';

// Without word from the server for this long, what is known may be out of date.
const distrustMs = 15_000;
const firstHeadMs = 3000;
const confirmEveryMs = 5000;
const pollEveryMs = 1000;
const pollForMs = 30_000;
const retryMs = { first: 250, most: 5000 };

export type Revocations = Awaited<ReturnType<typeof followRevocations>>;

/**
 * Keeps what is revoked in memory, and tells the server what it has applied. Resolves once everything up to now
 * is applied. It follows the stream of the feed; where a stream does not get through, it polls.
 * @throws Error when the first reading fails
 * @example
 * const revocations = await followRevocations({ server: 'https://things.example.com', key, name: 'berlin-1', onRevoked: closeSessionsOf });
 * if (revocations.isRevoked(fingerprint) !== undefined) socket.destroy();
 */
export async function followRevocations(options: FollowOptions) {
  const { server, key, name, onRevoked, onReload, onError = () => {} } = options;
  const send = options.fetch ?? fetch;
  const now = options.now ?? (() => performance.now());
  const incarnation = randomUUID();
  const ended = new AbortController();
  const set = createRevokedSet();
  let mode: Mode = 'starting';
  let cursor = '';
  let heardAt = -Infinity;
  let confirmed = { cursor: '', at: -Infinity };
  let confirming: Promise<void> | undefined;

  const ask = async (path: string, signal: AbortSignal, init: RequestInit = {}): Promise<Response> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const response = await send(`${server}${path}`, { ...init, signal, headers });
    if (response.ok) return response;
    const problem = await textOf(response, signal)
      .then((text) => JSON.parse(text) as { type?: string; detail?: string })
      .catch(() => ({ type: undefined, detail: undefined }));
    throw Object.assign(new Error(`${path} answered ${response.status}: ${problem.detail ?? 'no detail'}`), {
      startsAnew: response.status === 410 || (response.status === 409 && problem.type?.endsWith(':epoch-changed')),
    });
  };

  /** The whole answer has a time limit. */
  const read = async <Body>(path: string, body?: object): Promise<Body> => {
    const limit = AbortSignal.any([ended.signal, AbortSignal.timeout(distrustMs)]);
    const init = body && { method: 'POST', body: JSON.stringify(body) };
    const text = await textOf(await ask(path, limit, init), limit);
    return (text === '' ? undefined : JSON.parse(text)) as Body;
  };

  const proxy = await read<{ id: string }>('/v1/proxies', { name });

  const isBehind = (position: number): boolean => parseCursor(cursor).position < position;

  /** Everything up to a place is applied. The stream and pages overlap, and the one behind does not lead back. */
  const reach = (place: string): void => {
    if (isBehind(parseCursor(place).position)) cursor = place;
  };

  const apply = (entry: ReturnType<typeof readFeedEntry>): void => {
    if (entry.type === 'other' || !isBehind(entry.position)) return;
    set.apply(entry);
    const isRefusal = entry.type === 'certificate' || (entry.type === 'thing' && entry.status !== 'active');
    if (!isRefusal) return;
    try {
      onRevoked?.(entry);
    } catch (error) {
      onError(error as Error);
    }
  };

  const confirmAll = async (): Promise<void> => {
    while (cursor !== confirmed.cursor || now() - confirmed.at >= confirmEveryMs) {
      const applied = { cursor, at: now() };
      const receipt = { cursor, incarnation, mode: mode === 'poll' ? 'poll' : 'stream' };
      await read(`/v1/proxies/${proxy.id}/applied`, receipt);
      confirmed = applied;
    }
  };

  /** One confirmation at a time, whatever the number of entries: the last says it all. */
  const confirm = (): Promise<void> =>
    (confirming ??= confirmAll()
      .catch((error: Error) => {
        if (!ended.signal.aborted) onError(error);
      })
      .finally(() => (confirming = undefined)));

  const reload = async (): Promise<void> => {
    const sent = now();
    const snapshot = await read<FeedSnapshot>('/v1/revocations/snapshot');
    set.load(snapshot);
    cursor = snapshot.cursor;
    heardAt = sent;
    onReload?.();
  };

  /** Reads what is new. What the server knew when it was asked last is then applied: trust counts from that moment. */
  const poll = async (): Promise<void> => {
    for (let more = true; more;) {
      const sent = now();
      const page = await read<{ cursor: string; entries: unknown[]; next?: string }>(
        `/v1/revocations?after=${cursor}&limit=1000`,
      );
      page.entries.map(readFeedEntry).forEach(apply);
      more = page.next !== undefined;
      reach(page.cursor);
      if (!more) heardAt = sent;
    }
    await confirm();
  };

  let probing: Promise<void> | undefined;

  /** A head may have been under way for long, or be sent again by something in between: only an answer proves when it was asked for. */
  const probe = (): Promise<void> =>
    (probing ??= poll()
      .catch((error: Error) => {
        if (!ended.signal.aborted) onError(error);
      })
      .finally(() => (probing = undefined)));

  /** Follows the stream until it breaks. */
  const stream = async (): Promise<void> => {
    const broken = new AbortController();
    const signal = AbortSignal.any([ended.signal, broken.signal]);
    // A stream begins with a head, and has another every 5 seconds: one that says nothing is blocked or asleep.
    let watch = setTimeout(() => broken.abort(), firstHeadMs);
    try {
      const response = await ask(`/v1/revocations/stream?after=${cursor}`, signal);
      for await (const { event, data } of readEvents(piecesOf(response, signal))) {
        clearTimeout(watch);
        watch = setTimeout(() => broken.abort(), distrustMs);
        mode = 'stream';
        if (event === 'head') {
          reach((JSON.parse(data) as { cursor: string }).cursor);
          void probe();
        } else {
          const entry = readFeedEntry(JSON.parse(data));
          apply(entry);
          reach(encodeCursor({ ...parseCursor(cursor), position: entry.position }));
          void confirm();
        }
      }
    } finally {
      clearTimeout(watch);
    }
  };

  const pollForAWhile = async (): Promise<void> => {
    mode = 'poll';
    for (const until = now() + pollForMs; now() < until;) {
      await poll();
      await pause(pollEveryMs, undefined, { signal: ended.signal });
    }
  };

  const follow = async (): Promise<void> => {
    for (let failures = 0; !ended.signal.aborted;) {
      try {
        // A stream that brought something is worth another; where none gets through, pages do.
        await stream().catch((error: Error) => onError(error));
        if (ended.signal.aborted) return;
        await poll();
        if (mode !== 'stream') await pollForAWhile();
        mode = 'starting';
        failures = 0;
      } catch (error) {
        if (ended.signal.aborted) return;
        onError(error as Error);
        if ((error as { startsAnew?: boolean }).startsAnew) await reload().catch(onError);
        await pause(Math.min(retryMs.first * 2 ** failures++, retryMs.most), undefined, { signal: ended.signal }).catch(
          () => {},
        );
      }
    }
  };

  await reload();
  await confirm();
  const following = follow();

  return {
    /** Why a certificate is revoked, by its SHA-256 or its serial number in lower-case hex; undefined while it is valid. */
    isRevoked: set.reasonFor,
    /** `suspended` or `revoked`; undefined for a thing that is neither. */
    thingStatus: set.statusOf,
    /** False when what the server was last asked for, and is applied, was asked 15 seconds ago or longer: refuse what you can afford to refuse. */
    isTrusted: (): boolean => now() - heardAt < distrustMs,
    cursor: (): string => cursor,
    mode: (): Mode => mode,
    proxyId: proxy.id,
    size: set.size,
    async close(): Promise<void> {
      ended.abort();
      await following.catch(() => {});
    },
  };
}
