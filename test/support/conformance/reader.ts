// What a server sent, as lines that can be compared. Written apart from the scanner of the edge, which it judges.

/** A packet of a server: its type, its text, and what an answer to it needs. */
export type Read = { type: string; text: string; id: number; qos: number; topic: string };

const types: Readonly<Record<number, string>> = {
  2: 'CONNACK',
  3: 'PUBLISH',
  4: 'PUBACK',
  5: 'PUBREC',
  6: 'PUBREL',
  7: 'PUBCOMP',
  9: 'SUBACK',
  11: 'UNSUBACK',
  13: 'PINGRESP',
  14: 'DISCONNECT',
  15: 'AUTH',
};

type Kind = 'flag' | 'short' | 'long' | 'varint' | 'text' | 'data' | 'pair';

const properties: Readonly<Record<number, readonly [string, Kind]>> = {
  0x01: ['format', 'flag'],
  0x02: ['expiry', 'long'],
  0x03: ['content', 'text'],
  0x08: ['response', 'text'],
  0x09: ['correlation', 'data'],
  0x0b: ['subscription', 'varint'],
  0x11: ['session', 'long'],
  0x12: ['assigned', 'text'],
  0x13: ['keepAlive', 'short'],
  0x15: ['method', 'text'],
  0x16: ['methodData', 'data'],
  0x1a: ['information', 'text'],
  0x1c: ['server', 'text'],
  0x1f: ['reason', 'text'],
  0x21: ['receive', 'short'],
  0x22: ['aliases', 'short'],
  0x23: ['alias', 'short'],
  0x24: ['maximumQos', 'flag'],
  0x25: ['retains', 'flag'],
  0x26: ['user', 'pair'],
  0x27: ['packet', 'long'],
  0x28: ['wildcards', 'flag'],
  0x29: ['subscriptionIds', 'flag'],
  0x2a: ['shares', 'flag'],
};

function createCursor(bytes: Buffer) {
  let at = 0;
  const octet = (): number => {
    if (at >= bytes.length) throw new RangeError('a packet of the server is too short');
    return bytes[at++]!;
  };
  const short = (): number => (octet() << 8) | octet();
  const data = (): Buffer => {
    const length = short();
    at += length;
    return bytes.subarray(at - length, at);
  };
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const next = octet();
      value |= (next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
  };
  return {
    octet,
    short,
    data,
    varint,
    long: (): number => short() * 65_536 + short(),
    text: (): string => data().toString(),
    rest: (): Buffer => bytes.subarray(at),
    isAtEnd: (): boolean => at >= bytes.length,
    at: (): number => at,
  };
}

type Cursor = ReturnType<typeof createCursor>;

function valueOf(cursor: Cursor, kind: Kind): string | number {
  switch (kind) {
    case 'flag':
      return cursor.octet();
    case 'pair':
      return `${cursor.text()}=${cursor.text()}`;
    case 'data':
      return cursor.data().toString('hex');
    case 'short':
    case 'long':
    case 'varint':
    case 'text':
      return cursor[kind]();
  }
}

/** A value that can be compared: of what is left of a time, so much as does not depend on when it is asked. */
function steady(name: string, value: string | number): string | number {
  if (name === 'expiry') return Math.ceil(Number(value) / 100) * 100;
  return name === 'assigned' ? '*' : value;
}

/** What a reason says in words is left out: every program has its own. */
const unsaid = new Set(['reason']);

function propertiesOf(cursor: Cursor): string {
  if (cursor.isAtEnd()) return '';
  const end = cursor.varint() + cursor.at();
  const said: string[] = [];
  while (cursor.at() < end) {
    const id = cursor.octet();
    const known = properties[id];
    if (!known) throw new RangeError(`the server sent a property ${id}`);
    const [name, kind] = known;
    const value = valueOf(cursor, kind);
    if (!unsaid.has(name)) said.push(`${name}=${steady(name, value)}`);
  }
  // The order counts among properties of one name, and among these alone.
  const name = (each: string): string => each.slice(0, each.indexOf('='));
  const ordered = said
    .map((each, place) => ({ each, place }))
    .sort((one, other) =>
      name(one.each) < name(other.each) ? -1 : name(one.each) > name(other.each) ? 1 : one.place - other.place,
    );
  return said.length === 0 ? '' : ` {${ordered.map(({ each }) => each).join(' ')}}`;
}

const hex = (octet: number): string => `0x${octet.toString(16).padStart(2, '0')}`;

const shown = (payload: Buffer): string =>
  payload.length <= 40 ? JSON.stringify(payload.toString('latin1')) : `${payload.length} octets`;

/** Reads one whole packet of a server. */
export function readPacket(packet: Buffer, body: number, isFive: boolean): Read {
  const first = packet[0]!;
  const type = types[first >> 4] ?? `TYPE ${first >> 4}`;
  const cursor = createCursor(packet.subarray(body));
  const read = { type, id: 0, qos: 0, topic: '' };
  const tail = (): string => (isFive ? propertiesOf(cursor) : '');
  switch (type) {
    case 'CONNACK': {
      const present = cursor.octet();
      const code = cursor.octet();
      // MQTT 3 has return codes in place of reason codes, and no properties.
      return { ...read, text: `CONNACK ${isFive ? hex(code) : code} present=${present}${tail()}` };
    }
    case 'PUBLISH': {
      const qos = (first >> 1) & 3;
      const topic = cursor.text();
      const id = qos > 0 ? cursor.short() : 0;
      const flags = `${(first & 8) !== 0 ? ' dup' : ''}${(first & 1) !== 0 ? ' retain' : ''}`;
      const said = tail();
      return { ...read, id, qos, topic, text: `PUBLISH q${qos}${flags} ${topic} ${shown(cursor.rest())}${said}` };
    }
    case 'SUBACK':
    case 'UNSUBACK': {
      const id = cursor.short();
      const said = tail();
      return { ...read, id, text: `${type} ${id} [${[...cursor.rest()].map(hex).join(' ')}]${said}` };
    }
    case 'DISCONNECT':
    case 'AUTH':
      return { ...read, text: `${type} ${cursor.isAtEnd() ? '0x00' : hex(cursor.octet())}${tail()}` };
    case 'PINGRESP':
      return { ...read, text: type };
    default: {
      const id = cursor.short();
      // What a server numbers itself depends on what else it has delivered.
      const shown = type === 'PUBREL' ? '*' : id;
      return { ...read, id, text: `${type} ${shown} ${cursor.isAtEnd() ? '0x00' : hex(cursor.octet())}${tail()}` };
    }
  }
}

/** Splits a stream of a server into packets. Returns what is not a whole packet yet. */
export function splitPackets(bytes: Buffer, take: (packet: Buffer, body: number) => void): Buffer {
  let from = 0;
  for (;;) {
    let length = 0;
    let at = from + 1;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length) return bytes.subarray(from);
      const next = bytes[at++]!;
      length |= (next & 0x7f) << shift;
      if (next < 0x80) break;
    }
    if (at + length > bytes.length) return bytes.subarray(from);
    take(bytes.subarray(from, at + length), at - from);
    from = at + length;
  }
}
