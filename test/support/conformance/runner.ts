import { connect as dial, type Socket } from 'node:net';
import { connect, octets, packet, short, type ConnectFields } from '../edge/packets.js';
import type { Noise } from './noise.js';
import { readPacket, splitPackets, type Read } from './reader.js';
import { own, type Case, type Step } from './steps.js';

/** A server to run cases against. */
export type Target = {
  port: number;
  /** The first letter of what makes client ids and topics of this run its own. */
  letter: string;
  /** What devices show as password. */
  password: string;
  /** How long a server that does its work side by side may still send what was published. 0 for one that does it in order. */
  settleMs: number;
  noise?: Noise;
};

/** What came of a case: lines for each connection, in order within each type of packet. */
export type Result = { name: string; lines: string[] };

type Connection = {
  socket: Socket;
  version: number;
  /** The Maximum Packet Size of the client. */
  most: number;
  packets: Read[];
  /** How many deliveries were answered, by the type of the answer. */
  seen: Map<string, number>;
  isJoined: boolean;
  isClosed: boolean;
  isCut: boolean;
  changed: Set<() => void>;
};

const patienceMs = 15_000;
const graceMs = 400;
const pingRequest = packet(0xc0);

const later = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** Waits until something holds of a connection. False when it never did. */
async function until(connection: Connection, ms: number, holds: () => boolean): Promise<boolean> {
  if (holds()) return true;
  return new Promise((resolve) => {
    const done = (value: boolean): void => {
      clearTimeout(timer);
      connection.changed.delete(check);
      resolve(value);
    };
    const check = (): void => void (holds() && done(true));
    const timer = setTimeout(() => done(false), ms);
    connection.changed.add(check);
  });
}

function replaced(bytes: Buffer, by: string): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(own); at >= 0; at = copy.indexOf(own, at + own.length)) copy.write(by, at);
  return copy;
}

/** The Maximum Packet Size of a CONNECT whose block begins with it. */
function mostOf({ properties }: ConnectFields): number | undefined {
  return properties?.[1] === 0x27 ? properties.readUInt32BE(2) : undefined;
}

/** Runs one case. It never throws for what a server does: whatever that is becomes lines. */
export async function runCase(each: Case, target: Target): Promise<Result> {
  const name = `${target.letter}${String(each.number).padStart(4, '0')}`;
  const connections = new Map<string, Connection[]>();
  const { noise } = target;
  const unmet: string[] = [];
  const noted: string[] = [];
  const waited = new Map<string, number>();

  const latest = (who: string): Connection => {
    const found = connections.get(who)?.at(-1);
    if (!found) throw new Error(`${each.name}: nobody is called ${who}`);
    return found;
  };

  /** A name that ends with `*` is all of a group: which of them gets a message is the server's choice. */
  const allOf = (who: string): Connection[] =>
    who.endsWith('*')
      ? [...connections.keys()].filter((name) => name.startsWith(who.slice(0, -1))).map(latest)
      : [latest(who)];

  const open = (who: string, version: number, bytes: Buffer, most = Infinity): void => {
    const socket = dial({ port: target.port, host: '127.0.0.1', noDelay: true });
    const connection: Connection = {
      socket,
      version,
      most,
      packets: [],
      seen: new Map(),
      isJoined: false,
      isClosed: false,
      isCut: false,
      changed: new Set(),
    };
    connections.set(who, [...(connections.get(who) ?? []), connection]);
    for (const key of waited.keys()) if (key.startsWith(`${who} `)) waited.delete(key);
    let rest: Buffer = Buffer.alloc(0);
    const tell = (): void => [...connection.changed].forEach((check) => check());
    socket.on('data', (more: Buffer) => {
      rest = splitPackets(octets(rest, more), (whole, body) => {
        const read = readPacket(whole, body, version === 5);
        const answer = noise?.answerTo(read.text);
        if (answer) socket.write(answer);
        if (noise?.isAbout(read.text)) return;
        if (whole.length > most) read.text += ' (larger than the client takes)';
        connection.packets.push(read);
        connection.isJoined ||= /^CONNACK (0|0x00) /.test(read.text);
      });
      tell();
    });
    const close = (): void => {
      connection.isClosed = true;
      socket.destroy();
      tell();
    };
    for (const event of ['end', 'close', 'error']) socket.on(event, close);
    socket.write(bytes);
  };

  const countOf = ({ packets }: Connection, type: string): number =>
    packets.filter((packet) => packet.type === type).length;

  const sendOf = ({ socket, version, isJoined }: Connection, bytes: Buffer): void => {
    // Nothing may come between the octets of a packet.
    const isWhole = bytes.length > 1;
    if (noise && isJoined && isWhole) socket.write(noise.requests(version));
    socket.write(bytes);
  };

  const quiet = async (connection: Connection): Promise<boolean> => {
    await noise?.deliver(name);
    const wanted = countOf(connection, 'PINGRESP') + 1;
    if (connection.isClosed) return false;
    connection.socket.write(pingRequest);
    return until(connection, patienceMs, () => connection.isClosed || countOf(connection, 'PINGRESP') >= wanted);
  };

  const ended = async (connection: Connection): Promise<void> => {
    if (await until(connection, graceMs, () => connection.isClosed)) return;
    // A server that does not end it answers; one that is slow to end it does not.
    if (connection.isJoined) await quiet(connection);
    else await until(connection, patienceMs, () => connection.isClosed);
  };

  const acknowledge = (who: string, by: string, more: Buffer): void => {
    const [type, qos, first] = {
      PUBACK: ['PUBLISH', 1, 0x40],
      PUBREC: ['PUBLISH', 2, 0x50],
      PUBCOMP: ['PUBREL', 0, 0x70],
    }[by] as [string, number, number];
    for (const connection of allOf(who)) {
      const answered = connection.seen.get(by) ?? 0;
      const asked = connection.packets.filter(
        (packet) => packet.type === type && (type === 'PUBREL' || packet.qos === qos),
      );
      const found = asked[answered];
      if (!found) continue;
      connection.seen.set(by, answered + 1);
      return void connection.socket.write(packet(first, short(found.id), more));
    }
    unmet.push(`${who} has nothing to answer with ${by}`);
  };

  const see = async (who: string, type: string, count: number): Promise<void> => {
    // Mosquitto gives back a place in the window of deliveries that was never taken when a refused QoS 2 message comes between those of a case.
    if (type !== 'CONNACK' && type !== 'PUBACK') await noise?.deliver(name);
    const all = allOf(who);
    const key = `${who} ${type}`;
    const wanted = (waited.get(key) ?? 0) + count;
    waited.set(key, wanted);
    const holds = (): boolean => all.reduce((sum, one) => sum + countOf(one, type), 0) >= wanted;
    const isOver = (): boolean => holds() || all.every(({ isClosed }) => isClosed);
    await Promise.race(all.map((one) => until(one, patienceMs, isOver)));
    if (!holds()) unmet.push(`${who} waited for ${type}`);
  };

  const take = async (step: Step): Promise<void> => {
    switch (step.kind) {
      case 'open': {
        const fields = { password: target.password, ...step.fields };
        const bytes = replaced(octets(connect(fields), step.more ?? []), name);
        return open(step.who, fields.version ?? 4, bytes, mostOf(fields));
      }
      case 'raw':
        return open(step.who, step.version, replaced(step.bytes, name));
      case 'send':
        return sendOf(latest(step.who), replaced(step.bytes, name));
      case 'see':
        return see(step.who, step.type, step.count);
      case 'acknowledge':
        return acknowledge(step.who, step.with, step.more);
      case 'quiet':
        await quiet(latest(step.who));
        return target.settleMs > 0 ? later(target.settleMs) : undefined;
      case 'ended':
        await ended(latest(step.who));
        if (!latest(step.who).isClosed) unmet.push(`${step.who} is not ended`);
        return;
      case 'cut':
        latest(step.who).isCut = true;
        return void latest(step.who).socket.destroy();
      case 'count':
        return void noted.push(`${step.who} had ${countOf(latest(step.who), step.type)} ${step.type}`);
      case 'pause':
        return later(step.ms);
    }
  };

  for (const step of each.steps) await take(step);

  const lines: string[] = [...noted];
  for (const [who, all] of connections)
    all.forEach(({ packets, isClosed, isCut }, nth) => {
      const prefix = who.startsWith('g') ? 'g' : `${who}${nth > 0 ? nth + 1 : ''}`;
      for (const { type, text } of packets)
        if (type !== 'PINGRESP') lines.push(`${prefix} ${text.replaceAll(name, '~')}`);
      lines.push(`${prefix} ${isCut ? 'cut' : isClosed ? 'closed' : 'open'}`);
    });
  for (const all of connections.values()) for (const { socket } of all) socket.destroy();
  return { name: each.name, lines: [...ordered(lines), ...unmet.map((text) => `unmet: ${text}`)] };
}

/** In order within each connection and type: how these mix is a matter of time. */
function ordered(lines: readonly string[]): string[] {
  const keyOf = (line: string): string => line.split(' ', 2).join(' ');
  const keys = [...new Set(lines.map(keyOf))].sort();
  return keys.flatMap((key) => lines.filter((line) => keyOf(line) === key));
}

/** Runs cases, some at a time. */
export async function runCases(cases: readonly Case[], target: Target, lanes = 24): Promise<Map<string, Result>> {
  const results = new Map<string, Result>();
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let each = cases[next++]; each; each = cases[next++]) {
      results.set(each.name, await runCase(each, target));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}
