import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { cpuSeconds } from './measure.js';

// As many as one stream may have without an answer, less some.
const inFlight = 500;

/** Keeps asking on one WebSocket for some seconds: answers for each CPU second of the server, and the last of them. */
export async function streamLoad(
  url: string,
  pid: number,
  key: string,
  questions: object[],
  seconds: number,
): Promise<{ perCpuSecond: number; last: string }> {
  const socket = await upgrade(new URL(url), key);
  const frames = Buffer.concat(
    Array.from({ length: inFlight }, (_, id) => frameOf(JSON.stringify({ id, ...questions[id % questions.length]! }))),
  );
  const used = cpuSeconds(pid);
  const end = performance.now() + seconds * 1000;
  let [answers, last] = [0, ''];
  const read = createReader((text) => {
    answers++;
    last = text;
  });
  await new Promise<void>((resolve, reject) => {
    let asked = inFlight;
    socket.on('data', (data: Buffer) => {
      read(data);
      if (answers < asked) return;
      if (performance.now() >= end) return resolve();
      asked += inFlight;
      socket.write(frames);
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the stream ended')));
    socket.write(frames);
  });
  const perCpuSecond = answers / (cpuSeconds(pid) - used);
  socket.removeAllListeners('close').destroy();
  return { perCpuSecond, last };
}

async function upgrade({ hostname, port, pathname }: URL, key: string): Promise<Socket> {
  const socket = connect(Number(port), hostname).setNoDelay();
  await once(socket, 'connect');
  socket.write(
    [
      `GET ${pathname} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      `Authorization: Bearer ${key}`,
      '\r\n',
    ].join('\r\n'),
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  if (!head.toString().startsWith('HTTP/1.1 101')) throw new Error(`no stream: ${head.toString()}`);
  return socket;
}

/** A text frame of a client, RFC 6455 §5.2. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  const length = payload.length < 126 ? Buffer.of(0x80 | payload.length) : Buffer.alloc(3, 0xfe);
  if (payload.length >= 126) length.writeUInt16BE(payload.length, 1);
  return Buffer.concat([Buffer.of(0x81), length, mask, payload.map((octet, n) => octet ^ mask[n & 3]!)]);
}

/** Finds the frames of a server in what comes: all are short texts. */
function createReader(tell: (text: string) => void): (data: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (data) => {
    const all = rest.length > 0 ? Buffer.concat([rest, data]) : data;
    let at = 0;
    for (;;) {
      if (all.length < at + 4) break;
      const short = all[at + 1]!;
      const [head, length] = short < 126 ? [2, short] : [4, all.readUInt16BE(at + 2)];
      if (all.length < at + head + length) break;
      tell(all.toString('latin1', at + head, at + head + length));
      at += head + length;
    }
    rest = all.subarray(at);
  };
}
