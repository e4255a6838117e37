import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, ProblemError, type Client } from '../../../src/client/client.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { csrPem, newKey } from '../../support/pki/csr.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let client: Client;

beforeAll(async () => {
  server = await startServer(databaseKinds[0]!);
  client = createClient({ url: server.url, token: server.ownerKey });
});
afterAll(() => server.stop());

/** A server between that spoils what passes: it loses answers after the change is made, and says that it is not there. */
async function startBetween(spoil: ('lose' | 'refuse' | 'pass')[]) {
  const seen: { method: string; key: string | undefined }[] = [];
  const passOn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers;
    seen.push({ method: request.method!, key: headers['idempotency-key'] as string | undefined });
    const how = spoil.shift() ?? 'pass';
    if (how === 'refuse') return void response.writeHead(503, { 'retry-after': '1' }).end('busy');
    const answer = await fetch(`${server.url}${request.url}`, {
      method: request.method!,
      headers: headers as Record<string, string>,
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    if (how === 'lose') return void request.socket.destroy();
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(body);
  };
  const between = createServer((request, response) => void passOn(request, response));
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
  const waits: number[] = [];
  const through = createClient({
    url: `http://127.0.0.1:${(between.address() as AddressInfo).port}`,
    token: server.ownerKey,
    pause: async (ms) => void waits.push(ms),
  });
  return { through, seen, waits, stop: () => new Promise((resolve) => between.close(resolve)) };
}

describe('thingward/client', () => {
  it('makes something once, however often the answer is lost', async () => {
    const { through, seen, waits, stop } = await startBetween(['lose', 'refuse', 'lose', 'pass']);
    const made = await through.post('/v1/api-keys', { body: { name: 'once', role: 'auditor' } });
    await stop();
    expect(made.key).toMatch(/^twk_/);
    expect(new Set(seen.map(({ key }) => key)).size).toBe(1);
    expect(seen).toHaveLength(4);
    expect(waits).toEqual([200, 1000, 800]);
    const named: string[] = [];
    for await (const { name } of client.each('/v1/api-keys', { query: { limit: 1 } })) named.push(name ?? '');
    expect(named.filter((name) => name === 'once')).toHaveLength(1);
  });

  it('sends a first boot again if the CSR tells the repeat, and not otherwise', async () => {
    const { token } = await client.post('/v1/enrollments', { body: { thingNamePattern: '*', maxUses: 10 } });
    for (const [body, times] of [
      [{ thingName: 'with-csr', csr: csrPem({ key: newKey() }) }, 2],
      [{ thingName: 'with-key', keyType: 'ec-p256' as const }, 1],
    ] as const) {
      const { through, seen, stop } = await startBetween(['lose', 'pass']);
      const device = createClient({ url: server.url, token });
      expect(device).toBeDefined();
      const answer = through.post('/v1/provision', { body });
      await expect(answer).rejects.toThrow();
      await stop();
      expect(seen.length, body.thingName).toBe(times);
      expect(seen[0]!.key).toBeUndefined();
    }
  });

  it('gives up after its retries, with the last error', async () => {
    const { through, seen, stop } = await startBetween(Array<'refuse'>(9).fill('refuse'));
    const failure = await through.get('/v1/things').catch((error: unknown) => error);
    await stop();
    expect(failure).toBeInstanceOf(ProblemError);
    expect((failure as ProblemError).status).toBe(503);
    expect(seen).toHaveLength(5);
  });

  it('reads every page, and says what went wrong', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await client.post('/v1/segments', { body: { name, cidr: '10.0.0.0/8' } });
    const names: string[] = [];
    for await (const { name } of client.each('/v1/segments', { query: { limit: 2, sort: '-name' } })) names.push(name);
    expect(names).toEqual(['e', 'd', 'c', 'b', 'a']);
    const failure = (await client
      .patch('/v1/segments/{name}', { path: { name: 'a' }, body: { deviceLimit: 3 }, ifMatch: '"other"' })
      .catch((error: unknown) => error)) as ProblemError;
    expect([failure.status, failure.code]).toEqual([412, 'precondition-failed']);
    expect(failure.problem.requestId).toBeTypeOf('string');
    expect(await client.delete('/v1/segments/{name}', { path: { name: 'a' } })).toBeUndefined();
  });

  it('docs/client.md prints what it says', async () => {
    const text = readFileSync('docs/client.md', 'utf8');
    const [, program] = /```js\n([^]*?)```/.exec(text)!;
    const [, printed] = /```text\n([^]*?)```/.exec(text)!;
    const run = promisify(execFile);
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', program!], {
      env: { PATH: process.env['PATH'], THINGWARD_URL: server.url, THINGWARD_API_KEY: server.ownerKey },
      timeout: 120_000,
    });
    expect(stderr).toBe('');
    expect(stdout).toBe(printed);
  });
});
