import { once } from 'node:events';
import { writeFileSync, mkdirSync } from 'node:fs';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import type { Sinks } from '../../../src/edge/sinks/sinks.js';
import { createStateDir, drained, numbered, openTestSinks, until } from '../../support/gateway/sink-stage.js';
import { runProgram } from '../../support/pki/openssl.js';
import { describeWith } from '../../support/programs.js';

const secret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';

type Batch = { id: string; messages: { id: string; thing: string; topic: string; at: string; payload: string }[] };

describeWith(['openssl'], 'a sink for HTTPS', () => {
  const state = createStateDir();
  const at = (name: string): string => state.at(`files/${name}`);
  let server: Server;
  let open: Sinks | undefined;
  let batches: Batch[];
  let answers: (batch: Batch) => number;
  let count = 0;

  const receive = (request: IncomingMessage, response: ServerResponse): void => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const raw = Buffer.concat(parts);
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
      // Throws for what is not signed rightly, and the sink then waits for ever.
      const { messages } = new Webhook(secret).verify(
        body.toString(),
        request.headers as Record<string, string>,
      ) as Batch;
      const batch = { id: String(request.headers['webhook-id']), messages };
      const status = answers(batch);
      if (status < 300) batches.push(batch);
      response.writeHead(status).end('an answer');
    });
  };

  beforeEach(async () => {
    count++;
    mkdirSync(state.at('files'), { recursive: true });
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('tls.key')];
    const names = ['-subj', '/CN=sink', '-addext', 'subjectAltName=DNS:localhost'];
    runProgram('openssl', ['req', '-x509', ...newKey, ...names, '-days', '2', '-out', at('tls.pem')]);
    writeFileSync(at('secret'), `${secret}\n`);
    [batches, answers] = [[], () => 200];
    server = createServer({ key: readFileSync(at('tls.key')), cert: readFileSync(at('tls.pem')) }, receive);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    await open?.close();
    server.closeAllConnections();
    server.close();
    open = undefined;
  });
  afterAll(() => state.remove());

  const start = async (more = {}) => {
    const url = `https://localhost:${(server.address() as AddressInfo).port}/telemetry`;
    const lake = { kind: 'https', url, caFile: at('tls.pem'), secretFile: at('secret'), ...more } as const;
    const opened = await openTestSinks(state.at(`state-${count}`), { lake });
    open = opened.sinks;
    return opened;
  };
  const numbers = (): number[] =>
    batches.flatMap(({ messages }) =>
      messages.map(
        ({ payload }) => (JSON.parse(Buffer.from(payload, 'base64').toString()) as { number: number }).number,
      ),
    );
  const from = (first: number, end: number): number[] =>
    Array.from({ length: end - first }, (_, index) => first + index);

  it.each([{ gzip: true }, { gzip: false }])('takes batches that are signed: %j', async (given) => {
    const { sinks } = await start(given);
    await Promise.all(from(0, 1200).map((number) => sinks.put('lake', numbered(number))));
    expect(await drained(sinks, 'lake')).toMatchObject({ delivered: 1200, connected: true });
    expect(numbers()).toEqual(from(0, 1200));
    expect(batches.length).toBeLessThan(100);
    const [first] = batches.flatMap(({ messages }) => messages);
    expect(first).toMatchObject({
      id: 'm-0',
      account: 'acme',
      thing: 'thing-0',
      topic: 'acme/thing-0/telemetry',
      priority: 'normal',
    });
  });

  it('tries again with the same ids', async () => {
    const seen: string[] = [];
    const first = ['503', '429', '401', '302'];
    answers = ({ id }) => {
      seen.push(id);
      return Number(first.shift() ?? 204);
    };
    const { sinks, heard } = await start();
    await sinks.put('lake', numbered(1));
    expect(await drained(sinks, 'lake')).toMatchObject({ delivered: 1, refused: 0 });
    expect(seen).toEqual(Array.from({ length: 5 }, () => 'm-1'));
    expect(heard.failed).toEqual(['503', '429', '401', '302'].map((status) => `the sink answered ${status}`));
  });

  it('gives a batch another id than one that it is part of', async () => {
    const seen = new Map<string, string>();
    let left = 6;
    answers = ({ id, messages }) => {
      const ids = messages.map((each) => each.id).join();
      expect(seen.get(id) ?? ids).toBe(ids);
      seen.set(id, ids);
      return left-- > 0 ? 500 : 200;
    };
    const { sinks } = await start();
    for (const number of from(0, 30)) {
      await sinks.put('lake', numbered(number));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await drained(sinks, 'lake');
    expect(seen.size).toBeGreaterThan(1);
    expect([...new Set(numbers())]).toEqual(from(0, 30));
  });

  it('refuses the one message that is never taken, and delivers the others of its batch', async () => {
    answers = ({ messages }) => (messages.some(({ id }) => id === 'm-77' || id === 'm-78') ? 422 : 200);
    const { sinks, heard } = await start();
    await Promise.all(from(0, 200).map((number) => sinks.put('lake', numbered(number))));
    expect(await drained(sinks, 'lake')).toMatchObject({ delivered: 198, refused: 2 });
    expect(heard.refused).toEqual(['m-77', 'm-78']);
    expect(numbers()).toEqual(from(0, 200).filter((number) => number !== 77 && number !== 78));
  });

  it('does not trust a server of other authorities', async () => {
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('other.key')];
    runProgram('openssl', ['req', '-x509', ...newKey, '-subj', '/CN=other', '-days', '2', '-out', at('other.pem')]);
    const { sinks, heard } = await start({ caFile: at('other.pem') });
    await sinks.put('lake', numbered(1));
    await until(() => heard.failed.length > 1, 'that it cannot connect');
    expect(sinks.counts()['lake']).toMatchObject({ kept: 1, delivered: 0, connected: false });
    expect(batches).toEqual([]);
  });

  it('does not start with a secret that is none', async () => {
    writeFileSync(at('secret'), 'password');
    await expect(start()).rejects.toThrow('must hold whsec_');
  });
});
