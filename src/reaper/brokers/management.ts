import type { z } from 'zod';
import { Agent as HttpAgent, request as requestPlain, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestTls } from 'node:https';
import { BrokerError, type BrokerParts } from './broker.js';

/** A request to the management of a broker. The path is added to that of its URL. */
export type Asked = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  headers?: Record<string, string>;
  body?: string | undefined;
  /** Statuses that are answers; by default those of 2xx. Any other is an error. */
  accepts?: (status: number) => boolean;
};

/** An answer, read whole. */
export type Answered = { status: number; headers: IncomingMessage['headers']; text: string };

export type Management = ReturnType<typeof createManagement>;

const shownOctets = 200;

/**
 * Asks over HTTP what a broker is managed by. One limit counts for the whole of a question and its answer; an answer that is too long is
 * not read to its end. Redirects are errors: credentials go nowhere else.
 */
export function createManagement({
  url,
  credentials,
  ca,
  limits,
}: Pick<BrokerParts, 'url' | 'credentials' | 'ca' | 'limits'>) {
  const base = new URL(url);
  const isTls = base.protocol === 'https:';
  const options = { keepAlive: true, maxSockets: limits.concurrency, ...(ca === undefined ? {} : { ca }) };
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options);
  const authorization = credentials && basicOf(credentials.username, credentials.password);

  const send = ({ method, path, headers = {}, body }: Asked, signal: AbortSignal): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const target = new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base);
      const sent: ClientRequest = (isTls ? requestTls : requestPlain)(target, {
        method,
        agent,
        signal,
        headers: {
          ...(authorization === undefined ? {} : { authorization }),
          ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
      });
      sent.once('error', reject).once('response', resolve);
      sent.end(body);
    });

  const readText = async (answer: IncomingMessage): Promise<string> => {
    const chunks: Buffer[] = [];
    let octets = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      octets += chunk.length;
      if (octets > limits.answerBytes) {
        answer.destroy();
        throw new BrokerError(
          `the answer has more than ${limits.answerBytes} octets: raise limits.answerBytes, if it should`,
        );
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  };

  const ask = async (asked: Asked, signal: AbortSignal): Promise<Answered> => {
    const limit = AbortSignal.timeout(limits.timeout);
    try {
      const answer = await send(asked, AbortSignal.any([signal, limit]));
      const status = answer.statusCode ?? 0;
      const text = await readText(answer);
      const accepts = asked.accepts ?? ((code: number) => code >= 200 && code < 300);
      if (!accepts(status)) throw new BrokerError(`it answered ${status}: ${shownOf(text)}`);
      return { status, headers: answer.headers, text };
    } catch (error) {
      signal.throwIfAborted();
      if (limit.aborted)
        throw new BrokerError(`${asked.method} ${asked.path.split('?', 1)[0]!} took more than ${limits.timeout} ms`);
      throw error;
    }
  };

  return {
    /** @throws BrokerError, Error */
    ask,

    /** The JSON of an answer. @throws BrokerError, Error */
    async json(asked: Asked, signal: AbortSignal): Promise<unknown> {
      const { text } = await ask({ ...asked, headers: { accept: 'application/json', ...asked.headers } }, signal);
      try {
        return JSON.parse(text) as unknown;
      } catch {
        throw new BrokerError(`what it answered is not JSON: ${shownOf(text)}`);
      }
    },

    close: (): void => agent.destroy(),
  };
}

/** The value of `Authorization` (RFC 7617). */
export function basicOf(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** The beginning of what a broker said, in one line. */
export function shownOf(text: string): string {
  const line = text
    .slice(0, shownOctets)
    .replace(/[\p{Cc}\p{Cs}]+/gu, ' ')
    .trim();
  return line === '' ? 'nothing' : line;
}

/** A value that a broker answered, in its shape. @throws BrokerError */
export function shapeOf<Shape>(schema: z.ZodType<Shape>, value: unknown): Shape {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const { path, message } = read.error.issues[0]!;
  throw new BrokerError(
    `what it answered cannot be read: ${path.join('.')}: ${message}: ${shownOf(JSON.stringify(value) ?? '')}`,
  );
}
