import { once } from 'node:events';
import { connect } from 'node:net';

/** Asks one question after another over one connection. */
export type Asker = { ask(body: string): Promise<string>; close(): void };

/** A connection to a server that decides. Answers have a Content-Length. */
export async function openAsker(url: string, headers: Record<string, string>): Promise<Asker> {
  const { host, hostname, port, pathname } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}content-length: `;
  let text = '';
  let heard = (_body: string): void => {};
  let failed = (_error: Error): void => {};
  socket.on('data', (octets: Buffer) => {
    text += octets.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1]);
    if (Number.isNaN(length)) return failed(new Error(`an answer without its length: ${text}`));
    if (text.length < end + 4 + length) return;
    const body = text.slice(end + 4);
    text = '';
    heard(body);
  });
  socket.on('error', (error) => failed(error));
  socket.on('close', () => failed(new Error(`${host} closed the connection`)));
  return {
    ask: (body) =>
      new Promise((resolve, reject) => {
        heard = resolve;
        failed = reject;
        socket.write(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
      }),
    close: () => void socket.destroy(),
  };
}
