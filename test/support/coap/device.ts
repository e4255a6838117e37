import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  readDatagram,
  type,
  writeDatagram,
  type Datagram,
  type Unreadable,
} from '../../../src/edge/coap-messages/datagrams.js';
import { formatCode, method } from '../../../src/edge/coap-messages/codes.js';
import { numberOf, numberOption, optionNumber, type Option } from '../../../src/edge/coap-messages/options.js';

/** The client of libcoap, with TLS. */
export const coapClient = 'coap-client-openssl';

/** A program that runs, and what it printed. */
export type Running = { child: ChildProcess; said(): string; ended: Promise<string> };

/** Starts a program in a folder. */
export function start(program: string, args: string[], cwd: string): Running {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (octets: Buffer) => (said += octets.toString()));
  return { child, said: () => said, ended: once(child, 'close').then(() => said) };
}

/** The lines in which libcoap shows the answers that it got, such as `2.05`. */
export function answersIn(said: string): string[] {
  return [...said.matchAll(/^v:\S+ t:\S+ c:([245]\.\d\d) .*$/gm)].map(([, code]) => code!);
}

/** A request as raw octets are made of it. */
export type Asked = {
  method?: keyof typeof method;
  path?: string;
  token?: string;
  more?: Option[];
  payload?: string;
  id?: number;
  kind?: number;
};

/** The octets of a request. */
export function requestOf({
  method: name = 'get',
  path = '',
  token,
  more = [],
  payload = '',
  id = 1,
  kind = type.confirmable,
}: Asked): Buffer {
  const segments = path === '' ? [] : path.split('/');
  const options = segments.map((each) => ({ number: optionNumber.uriPath, value: Buffer.from(each) }));
  const shown = token === undefined ? [] : [{ number: optionNumber.accessToken, value: Buffer.from(token) }];
  return writeDatagram({
    type: kind,
    id,
    code: method[name],
    token: Buffer.of(id >> 8, id & 255),
    options: [...options, ...shown, ...more],
    payload: Buffer.from(payload),
  });
}

/** The option that begins an observation, or ends it. */
export const observe = (value: 0 | 1): Option => numberOption(optionNumber.observe, value);

/** What a datagram says in few words, such as `ack 2.05 value`. */
export function wordsOf(datagram: Datagram): string {
  const kinds = ['con', 'non', 'ack', 'rst'];
  return `${kinds[datagram.type]} ${formatCode(datagram.code)} ${datagram.payload.toString()}`.trim();
}

/** The number of a notification. */
export const sequenceOf = ({ options }: Datagram): number | undefined => {
  const found = options.find(({ number }) => number === optionNumber.observe);
  return found && numberOf(found.value);
};

/** One end of UDP on loopback. */
export async function openEnd(port: number) {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const got: Datagram[] = [];
  let octets = 0;
  socket.on('message', (bytes) => {
    octets += bytes.length;
    got.push(readDatagram(bytes) as Exclude<ReturnType<typeof readDatagram>, undefined | Unreadable>);
  });
  return {
    got,
    octets: () => octets,
    send: (bytes: Buffer) => new Promise<void>((resolve) => socket.send(bytes, port, '127.0.0.1', () => resolve())),
    close: () => socket.close(),
  };
}
