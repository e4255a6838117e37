import { once } from 'node:events';
import { WebSocket } from 'ws';

export type Told = Record<string, unknown> & { id: unknown };

/** A proxy on the stream of questions, by a WebSocket client that is not ours. */
export async function openAskStream(url: string, key: string | undefined) {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/authorize/stream`, { headers });
  const told: Told[] = [];
  const waiting = new Map<unknown, (answer: Told) => void>();
  socket.on('message', (data: Buffer) => {
    const answer = JSON.parse(data.toString()) as Told;
    told.push(answer);
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  const closed = once(socket, 'close').then(([code, reason]) => ({ code: code as number, reason: String(reason) }));
  await once(socket, 'open');
  return {
    socket,
    told,
    closed,
    ask: (question: Told): Promise<Told> =>
      new Promise((resolve) => {
        waiting.set(question.id, resolve);
        socket.send(JSON.stringify(question));
      }),
    /** What comes for something that has no id that can be read. */
    say: (text: string | Buffer): Promise<Told> =>
      new Promise((resolve) => {
        waiting.set(null, resolve);
        socket.send(text);
      }),
  };
}

export type AskStream = Awaited<ReturnType<typeof openAskStream>>;

/** Status and body of a handshake that is refused. */
export function refusedStream(url: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/authorize/stream`, { headers });
  return new Promise((resolve, reject) => {
    socket.on('open', () => reject(new Error('it was opened')));
    socket.on('error', () => {});
    socket.on('unexpected-response', (_, response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
  });
}
