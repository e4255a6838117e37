import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followRevocations } from '../../../src/edge/client.js';
import { serialOf } from '../../support/pki/crl.js';
import { enroll, provision } from '../../support/fleet.js';
import { freePort } from '../../support/ports.js';
import { startServer, type TestServer } from '../../support/server.js';

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 300_000; !holds();) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('what an edge trusts', () => {
  let server: TestServer;
  let token: string;
  let key: string;
  beforeAll(async () => {
    server = await startServer('embedded');
    token = (await enroll(server)).token;
    key = (await server.owner.post('/v1/api-keys', { role: 'proxy' })).body.key;
  });
  afterAll(() => server.stop());

  it('a stream that is held up is not believed: trust counts from what was asked, and questions bring what the stream lacks', async () => {
    // A proxy that passes everything, until it keeps the entries of streams back and says the last head again and again.
    let [held, cut] = [false, false];
    const middle = createServer((request, response) => {
      if (cut && !request.url!.includes('/stream')) return void request.socket.destroy();
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {};
        const headers = { authorization: request.headers.authorization!, 'content-type': 'application/json' };
        const gone = new AbortController();
        response.on('close', () => gone.abort());
        const passed = { method: request.method!, headers, ...body, signal: gone.signal };
        void fetch(`${server.url}${request.url}`, passed)
          .then(async (answer) => {
            response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type')! });
            if (!request.url!.includes('/stream')) {
              response.end(Buffer.from(await answer.arrayBuffer()));
              return;
            }
            let last = '';
            const again = setInterval(() => {
              if (held && last !== '') response.write(last);
            }, 50);
            response.on('close', () => clearInterval(again));
            for await (const chunk of answer.body!) {
              const text = Buffer.from(chunk).toString();
              last = /event: head\n.*\n\n/.exec(text)?.[0] ?? last;
              if (!held) response.write(text);
            }
          })
          .catch(() => request.socket.destroy());
      });
    });
    middle.listen(await freePort(), '127.0.0.1');
    await once(middle, 'listening');
    const url = `http://127.0.0.1:${(middle.address() as AddressInfo).port}`;
    let at = 0;
    let asked = 0;
    const counting: typeof fetch = (...call) => {
      if (typeof call[0] === 'string' && !call[0].includes('/stream')) asked++;
      return fetch(...call);
    };
    const edge = await followRevocations({
      server: url,
      key,
      name: 'edge-held',
      onError: () => {},
      now: () => at,
      fetch: counting,
    });
    try {
      await until('it streams', () => edge.mode() === 'stream');
      held = true;
      const device = await provision(server, token, 'held-up');
      await server.owner.post(`/v1/certificates/${serialOf(device)}/revoke`, { reason: 'privilegeWithdrawn' });
      const { fingerprint } = device.answer.body.certificate as { fingerprint: string };
      await until('a question brings what the stream lacks', () => edge.isRevoked(fingerprint) !== undefined);
      expect(edge.isTrusted()).toBe(true);
      cut = true;
      at += 15_000;
      const before = asked;
      await until('more heads came, and questions failed', () => asked > before + 2);
      expect(edge.isTrusted()).toBe(false);
      cut = false;
      await until('it is trusted again', () => edge.isTrusted());
    } finally {
      await edge.close();
      middle.closeAllConnections();
      middle.close();
    }
  });
});
