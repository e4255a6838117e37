import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it came. */
export type Received = { path: string; headers: IncomingHttpHeaders; body: string; json: any };

/** How a receiver answers: a status, or a whole answer; `hang` never answers. */
export type Reaction = number | { status: number; headers?: Record<string, string>; body?: string } | 'hang';

/** A receiver of webhooks on loopback, which remembers what it got. */
export async function startReceiver(react: (received: Received) => Reaction = () => 204) {
  const received: Received[] = [];
  const state = { react };
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const got = {
        path: request.url!,
        headers: request.headers,
        body,
        json: body === '' ? undefined : JSON.parse(body),
      };
      received.push(got);
      const reaction = state.react(got);
      if (reaction === 'hang') return;
      const { status, headers = {}, body: text = '' } = typeof reaction === 'number' ? { status: reaction } : reaction;
      response.writeHead(status, headers).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    port,
    received,
    /** Answers so from now on. */
    set: (next: (received: Received) => Reaction) => void (state.react = next),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// Two minutes: a hold on a duty ends, and another instance takes it.
const mostTries = 2400;

/** Waits until something is so, and returns it. `nudge` runs before each look. */
export async function until<Value>(
  look: () => Value | undefined | false | Promise<Value | undefined | false>,
  nudge: () => unknown = () => {},
): Promise<Value> {
  for (let tries = 0; tries < mostTries; tries++) {
    await nudge();
    const value = await look();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it did not come to pass');
}
