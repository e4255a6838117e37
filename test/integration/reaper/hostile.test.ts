import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createManagement } from '../../../src/reaper/brokers/management.js';
import { createRabbitmq } from '../../../src/reaper/brokers/rabbitmq.js';
import { allOf } from '../../support/reaper/contract.js';

const limits = { concurrency: 4, timeout: 1500, answerBytes: 65_536, sessions: 1000 };
const never = new AbortController().signal;

describe('a management that answers what it should not', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  const answering = async (answer: RequestListener): Promise<string> => {
    const server = createServer(answer).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const brokerAt = (url: string) =>
    createRabbitmq({ url, credentials: { username: 'a', password: 'b' }, ca: undefined, limits, now: () => 0 });
  const page = (items: object[], total = items.length, pages = 1): string =>
    JSON.stringify({ total_count: total, page_count: pages, items });

  it('gives up an answer without an end, and stops reading it', async () => {
    let octets = 0;
    let isOver = false;
    const piece = Buffer.alloc(16_384, 32);
    const url = await answering((_request, response) => {
      response.on('close', () => (isOver = true));
      const more = (): void => {
        if (isOver) return;
        octets += piece.length;
        if (response.write(piece)) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    });
    await expect(allOf(brokerAt(url))).rejects.toThrow(/more than 65536 octets/);
    await new Promise<void>((resolve) => {
      const look = (): void => (isOver ? resolve() : void setTimeout(look, 10));
      look();
    });
    console.info(`an endless answer: ${octets} octets were sent before it was given up`);
    expect(octets).toBeLessThan(16 * 1024 * 1024);
  });

  it('gives up an answer that takes too long, octet by octet', async () => {
    const url = await answering((_request, response) => {
      const timer = setInterval(() => response.write(' '), 50);
      response.on('close', () => clearInterval(timer));
    });
    await expect(brokerAt(url).sessionsOf('pump-1', never)).rejects.toThrow(/took more than 1500 ms/);
  });

  it.each([
    ['not JSON', 'nothing', /is not JSON/],
    ['an empty list where an object is', '[]', /cannot be read/],
    ['an object that lacks its members', '{}', /cannot be read/],
    ['users that are no text', page([{ name: 'x', user: { $ne: '' } }]), /cannot be read/],
    [
      'more than a page',
      page(Array.from({ length: 501 }, (_, at) => ({ name: `c${at}`, user: 'u' }))),
      /cannot be read/,
    ],
    ['more sessions than may be', page([], 1e9, 1e9), /more than 1000 sessions/],
    ['a redirect', undefined, /it answered 302/],
  ])('takes %s for an error, never for an empty list', async (_what, body, error) => {
    const url = await answering((_request, response) => {
      if (body === undefined) response.writeHead(302, { location: 'http://127.0.0.1:1/' });
      response.end(body);
    });
    await expect(allOf(brokerAt(url))).rejects.toThrow(error);
  });

  it('reads no more pages than sessions may be, whatever it is told', async () => {
    let asked = 0;
    const url = await answering((_request, response) => {
      asked++;
      response.end(page([{ name: `c${asked}`, user: 'u' }], 1000, 1e9));
    });
    expect(await allOf(brokerAt(url))).toHaveLength(2);
    expect(asked).toBe(2);
  });

  it('shows no more than a line of what it was told', async () => {
    const url = await answering((_request, response) => {
      response.writeHead(500);
      response.end(`\u001b[31m\n${'x'.repeat(60_000)}`);
    });
    const management = createManagement({ url, credentials: undefined, ca: undefined, limits });
    const error = await management.ask({ method: 'GET', path: '/' }, never).catch((thrown: Error) => thrown);
    expect((error as Error).message.length).toBeLessThan(300);
    expect((error as Error).message).not.toMatch(/\p{Cc}/u);
  });
});
