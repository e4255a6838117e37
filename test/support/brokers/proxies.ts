import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as openHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request as openHttps } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemOf, type Device } from '../fleet.js';
import { runProgram } from '../pki/openssl.js';
import { freePort } from '../ports.js';
import type { TestServer } from '../server.js';

/** What becomes of the questions that a proxy asks: the real server answers, or it fails in one way. */
export type Weather = 'fine' | 'gone' | 'slow' | 'failing' | 'redirecting' | 'blank';

export type ProxyStage = Awaited<ReturnType<typeof createProxyStage>>;

/** What a client got; `passed` when its request reached the service behind the proxy. */
export type Got = { status: number; passed: boolean; thing: string | undefined };

const patienceMs = 5000;

/**
 * What real proxies stand between: clients with certificates, a service that counts what reaches it, and the way to the
 * server, which can be cut.
 */
export async function createProxyStage(server: Pick<TestServer, 'url'>) {
  const folder = mkdtempSync(join(tmpdir(), 'thingward-proxies-'));
  const at = (name: string): string => join(folder, name);
  const file = (name: string, content: string): string => {
    writeFileSync(at(name), content);
    return at(name);
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('server.key')];
  const names = ['-subj', '/CN=edge', '-addext', 'subjectAltName=DNS:edge'];
  runProgram('openssl', ['req', '-x509', ...newKey, ...names, '-days', '2', '-out', at('server.pem')]);
  file('server-both.pem', readFileSync(at('server.pem'), 'utf8') + readFileSync(at('server.key'), 'utf8'));
  const chain = await (await fetch(`${server.url}/ca/chain.pem`)).text();
  file('chain.pem', chain);
  const issuing = chain.split(/(?<=-----END CERTIFICATE-----\n)/)[0]!;

  const passed: { marker: string; thing: string | undefined }[] = [];
  const app = await listen((request, response) => {
    const { 'x-marker': marker, 'x-thingward-thing': thing } = request.headers;
    passed.push({ marker: String(marker), thing: thing === undefined ? undefined : String(thing) });
    request.resume();
    response.end('the service');
  });
  let weather: Weather = 'fine';
  const way = await listen((request, response) => forward(server.url, weather, request, response));

  const running: ChildProcess[] = [];
  /** Starts a program in the foreground and waits until it listens. */
  async function start(
    program: string,
    args: string[],
    port: number,
    env: Record<string, string> = {},
  ): Promise<ChildProcess> {
    const child = spawn(program, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: folder, ...env },
    });
    running.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-20_000);
        if (process.env['TEST_ERRORS']) process.stderr.write(chunk);
      });
    for (let tries = 0; tries < 3000; tries++) {
      if (child.exitCode !== null) break;
      const socket = connect(port, '127.0.0.1');
      const isOpen = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false);
      socket.destroy();
      if (isOpen) return child;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${program} does not listen: ${output}`);
  }

  let count = 0;
  return {
    at,
    file,
    start,

    /** A block of a guide as it stands there; only the folder, the ports, the name of the server and the key are the test's. */
    guide(name: string, block: string, port: number, key: string): string {
      const text = readFileSync(`docs/integrations/${name}.md`, 'utf8');
      const begin = text.indexOf('\n', text.indexOf('```', text.indexOf(`<!-- test: ${block} -->`))) + 1;
      const wayPort = String(portOf(way));
      return text
        .slice(begin, text.indexOf('```', begin))
        .replaceAll('/etc/thingward/', `${folder}/`)
        .replaceAll('things.example.com:8080', `127.0.0.1:${wayPort}`)
        .replaceAll('address: things.example.com, port_value: 8080', `address: 127.0.0.1, port_value: ${wayPort}`)
        .replaceAll('127.0.0.1:9000', `127.0.0.1:${portOf(app)}`)
        .replaceAll('port_value: 9000', `port_value: ${portOf(app)}`)
        .replaceAll('port_value: 8443', `port_value: ${port}`)
        .replace(/(listen |bind :|':|https:\/\/:)8443/, (_, word: string) => `${word}${port}`)
        .replaceAll('twk_KEY', key);
    },

    /** Sends one request of a device, perhaps without a certificate. A proxy that never answers is given up. */
    async send(
      port: number,
      {
        path = '/',
        method = 'GET',
        headers = {},
        device,
      }: {
        path?: string;
        method?: string;
        headers?: Record<string, string>;
        device?: Device | undefined;
      },
    ): Promise<Got> {
      const marker = `m${count++}`;
      const shown = device
        ? { cert: pemOf(device) + issuing, key: device.key.export({ type: 'pkcs8', format: 'pem' }) as string }
        : {};
      const status = await new Promise<number>((resolve) => {
        const call = openHttps({
          host: '127.0.0.1',
          port,
          path,
          method,
          servername: 'edge',
          rejectUnauthorized: false,
          agent: false,
          headers: { host: 'edge', ...headers, 'x-marker': marker },
          ...shown,
        });
        const giveUp = setTimeout(() => call.destroy(), patienceMs);
        const end = (code: number) => {
          clearTimeout(giveUp);
          resolve(code);
        };
        call.on('response', (response) => {
          response.resume();
          response.on('end', () => end(response.statusCode!));
          response.on('error', () => end(0));
        });
        call.on('error', () => end(0));
        call.on('close', () => end(0));
        call.end();
      });
      const reached = passed.find((each) => each.marker === marker);
      return { status, passed: reached !== undefined, thing: reached?.thing };
    },

    become(next: Weather): void {
      weather = next;
    },

    async stop(): Promise<void> {
      await Promise.all(
        running.map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const ended = once(child, 'exit');
          child.kill('SIGKILL');
          await ended;
        }),
      );
      for (const each of [app, way]) {
        each.closeAllConnections();
        each.close();
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(answer).listen(await freePort(), '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Passes a question on as it came, or fails. */
function forward(url: string, weather: Weather, request: IncomingMessage, response: ServerResponse): void {
  if (weather === 'gone') return void request.socket.destroy();
  if (weather === 'slow') return void request.resume();
  if (weather === 'failing') return void response.writeHead(500).end('a bug');
  if (weather === 'redirecting') return void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  if (weather === 'blank') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  const { hostname, port } = new URL(url);
  const call = openHttp({
    hostname,
    port,
    method: request.method,
    path: request.url,
    headers: request.rawHeaders as never,
  });
  call.on('response', (answer) => {
    response.writeHead(answer.statusCode!, answer.rawHeaders);
    answer.pipe(response);
  });
  call.on('error', () => response.destroy());
  request.pipe(call);
}
