import { createSnapshot } from '../../../src/authorize/snapshot.js';
import type { RegisteredPrincipal } from '../../../src/authorize/rights.js';
import { readEvents } from '../../../src/edge/event-stream.js';
import { entriesOfPage, parseEdgeEntry } from '../../../src/log/edge-view.js';
import type { LogEntry } from '../../../src/log/entries.js';
import type { Client } from '../client.js';
import { createAnswerer, type Answerer } from '../judges-apart.js';
import type { TestServer } from '../server.js';

/** A page of a snapshot, as it came over HTTP. */
export type Page = Parameters<typeof entriesOfPage>[1] & {
  epoch: string;
  cursor: string;
  next?: string;
  account?: { name: string; status: string; settings: Record<string, string> };
  tokenIssuer?: string;
  issuers?: string[];
  jwks?: { keys: Record<string, string>[] };
};

/** All pages of a snapshot. */
export async function readPages(as: Client): Promise<Page[]> {
  const pages: Page[] = [];
  for (let path: string | undefined = '/v1/edge/snapshot'; path !== undefined; path = pages.at(-1)!.next) {
    const { status, body, text } = await as.get(path);
    if (status !== 200) throw new Error(text);
    pages.push(body as Page);
  }
  return pages;
}

/** An open stream of edges: what came, and its end. */
export async function openEdgeStream(
  server: Pick<TestServer, 'url'>,
  key: string,
  after: string,
  path = '/v1/edge/stream',
) {
  const abort = new AbortController();
  const response = await fetch(`${server.url}${path}?after=${after}`, {
    headers: { authorization: `Bearer ${key}` },
    signal: abort.signal,
  });
  const [entries, heads]: [Record<string, unknown>[], Head[]] = [[], []];
  let wake = (): void => {};
  const read = async (): Promise<void> => {
    for await (const { event, data } of readEvents(response.body!)) {
      const said = JSON.parse(data) as Record<string, unknown>;
      if (event === 'head') heads.push(said as Head);
      else entries.push(said);
      wake();
    }
  };
  const ended = (response.status === 200 ? read() : Promise.resolve()).catch(() => {}).finally(() => wake());
  return {
    status: response.status,
    response,
    entries,
    heads,
    /** Resolves when the server ends it. */
    ended,
    close: () => abort.abort(),
    async until(isThere: () => boolean): Promise<void> {
      while (!isThere()) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

type Head = { position: number; cursor: string; serverTime?: string };

/** A judge that knows what an edge is told over HTTP, and nothing else. */
export async function followAsEdge(
  server: Pick<TestServer, 'url' | 'as' | 'now' | 'services'>,
  key: string,
): Promise<Answerer & { follow(): Promise<void>; close(): void; applied: LogEntry[] }> {
  const client = server.as(key);
  const pages = await readPages(client);
  const account = pages[0]!.account!.name;
  const snapshot = createSnapshot();
  const applied: LogEntry[] = [];
  const apply = (entry: LogEntry): void => {
    applied.push(entry);
    snapshot.apply(entry);
  };
  for (const page of pages) entriesOfPage(account, page).forEach(apply);
  const stream = await openEdgeStream(server, key, pages[0]!.cursor);
  let position = pages[0]!.position;
  let taken = 0;
  const byFingerprint = async (fingerprint: string): Promise<RegisteredPrincipal | undefined> => {
    const { body, status, text } = await client.post('/v1/edge/principals', { fingerprints: [fingerprint] });
    if (status !== 200) throw new Error(text);
    const [found] = (body as { principals: (Found | null)[] }).principals;
    if (!found) return undefined;
    const { thingName: name, reason = null, notAfter, ...rest } = found;
    return { ...rest, account, name, reason, notAfter: new Date(notAfter), otherRevoked: false };
  };
  const store = { byFingerprint, byName: async () => undefined, page: async () => [] };
  return {
    ...createAnswerer(snapshot, store, () => position, server.now),
    applied,
    /** Applies everything up to the head. */
    async follow() {
      const head = server.services.log.position();
      await server.services.chores.run('tell-edge-streams-the-head');
      await stream.until(() => stream.heads.some((each) => each.position >= head));
      for (; taken < stream.entries.length; taken++) apply(parseEdgeEntry(account, stream.entries[taken]));
      position = head;
    },
    close: stream.close,
  };
}

type Found = Omit<RegisteredPrincipal, 'account' | 'name' | 'reason' | 'notAfter' | 'otherRevoked'> & {
  thingName: string;
  reason?: string;
  notAfter: string;
};
