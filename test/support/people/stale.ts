import type { TestServer } from '../server.js';
import type { Browser } from './browser.js';

/** An event as a tab hears it. */
export type StaleEvent = { id: string; event: string; data: { kinds?: string[]; cursor: string } };

/** Follows what became stale, as a tab does. */
export async function followStale(
  { url }: Pick<TestServer, 'url'>,
  { cookies }: Browser,
  { after, lastEventId }: { after?: string; lastEventId?: string } = {},
) {
  const leaving = new AbortController();
  const headers = {
    cookie: `thingward=${cookies.get('thingward')}`,
    accept: 'text/event-stream',
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
  };
  const response = await fetch(`${url}/v1/stale${after === undefined ? '' : `?after=${after}`}`, {
    headers,
    signal: leaving.signal,
  });
  const events: StaleEvent[] = [];
  const read = async (): Promise<void> => {
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const parts = text.split('\n\n');
      text = parts.pop()!;
      for (const part of parts) {
        const [, id, event, data] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(part) ?? [];
        if (data !== undefined) events.push({ id: id!, event: event!, data: JSON.parse(data) as StaleEvent['data'] });
      }
    }
  };
  const ended = response.status === 200 ? read().catch(() => {}) : Promise.resolve();
  return {
    status: response.status,
    headers: response.headers,
    events,
    /** All kinds that it was told of so far. */
    kinds: (): string[] => [...new Set(events.flatMap(({ data }) => data.kinds ?? []))].sort(),
    /** Resolves when the server ends it. */
    ended,
    leave: () => leaving.abort(),
  };
}
