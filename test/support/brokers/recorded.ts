import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';

/** One request as a broker documents it, and what it answers. What it sends is JSON, or an expression for its text. */
export type Recorded = { asks: string; sends?: unknown; status?: number; says?: unknown };

/** A broker that cannot be installed: it expects recorded requests in their order, and answers as recorded. */
export async function playRecorded(authorization: string, pairs: Recorded[]) {
  const asked: string[] = [];
  const left = [...pairs];
  const play = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const what = `${request.method} ${request.url}`;
    asked.push(what);
    const next = left.shift();
    const isRight =
      next !== undefined &&
      what === next.asks &&
      request.headers.authorization === authorization &&
      isSent(text, next.sends);
    const status = isRight ? (next.status ?? 200) : 599;
    const body = isRight ? next.says : { unexpected: what, text, wanted: next };
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(body === undefined ? '' : JSON.stringify(body));
  };
  const server = createServer((request, response) => void play(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Fails unless everything that was recorded was asked, and nothing else. */
    finish(): void {
      expect(asked).toEqual(pairs.map(({ asks }) => asks));
    },
    stop(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}

const isSent = (text: string, sends: unknown): boolean =>
  sends instanceof RegExp ? sends.test(text) : text === (sends === undefined ? '' : JSON.stringify(sends));
