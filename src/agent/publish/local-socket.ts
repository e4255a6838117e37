import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { LaterError, UsageError } from '../errors.js';
import { createLines } from './lines.js';
import { mostMessageOctets } from './message.js';
import { problemOf, Refusal } from './refusal.js';

/** Keeps a message, and resolves with its id once it is on the disk. @throws Refusal */
export type Accept = (octets: Buffer) => Promise<string>;

const mostConnections = 128;
const mostWaiting = 64;
const mostUnread = 65_536;

/** Takes messages as lines of JSON on a Unix socket that only the same user can open, and answers each line with one. @throws AgentError */
export async function openLocalSocket(path: string, accept: Accept): Promise<Server> {
  await clear(path);
  const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket, accept));
  server.maxConnections = mostConnections;
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // It gets its mode here, before anybody can open it.
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
  } catch (error) {
    throw new UsageError(`the socket ${path} cannot be opened (${(error as Error).message}): name another path`);
  } finally {
    process.umask(before);
  }
  server.on('error', () => {});
  return server;
}

/** Removes a socket that a process left behind which is gone. */
async function clear(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new UsageError(`${path} exists, and is no socket: name another path`);
  const isServed = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
  if (isServed) throw new LaterError(`another program listens on ${path}: end it, or name another path`);
  rmSync(path, { force: true });
}

function serve(socket: Socket, accept: Accept): void {
  let last = Promise.resolve();
  let waiting = 0;
  const check = (): void => {
    const isFull = waiting >= mostWaiting || socket.writableLength >= mostUnread;
    if (isFull) socket.pause();
    else socket.resume();
  };
  const say = (value: object): void => {
    if (socket.writable) socket.write(`${JSON.stringify(value)}\n`, check);
  };
  /** The answers come in the order of the lines. */
  const answer = (kept: Promise<string>): void => {
    waiting++;
    const answered = kept.then(
      (id) => ({ id, kept: true }),
      (error: unknown) => ({ ...problemOf(refusalOf(error)), kept: false }),
    );
    last = last.then(async () => {
      say(await answered);
      waiting--;
      check();
    });
  };
  const lines = createLines(mostMessageOctets, {
    line: (octets) => answer(accept(octets)),
    tooLong: () => answer(Promise.reject(tooLarge())),
  });
  socket.on('data', (octets) => {
    lines.push(octets);
    check();
  });
  socket.on('end', () => {
    lines.end();
    void last.then(() => socket.end());
  });
  socket.on('error', () => socket.destroy());
}

/** What a line is answered that is too long. */
export const tooLarge = (): Refusal =>
  new Refusal('message-too-large', `a message has at most ${mostMessageOctets} octets: send less at once`);

/** Any failure as a refusal. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  return new Refusal('disk-full', `the message was not kept (${(error as Error).message}): send it again later`);
}
