// Raw packets, written by hand so that a test can also write wrong ones.

type Piece = number | string | Buffer | readonly number[];

const octetsOf = (piece: Piece): Buffer =>
  typeof piece === 'number'
    ? Buffer.of(piece)
    : typeof piece === 'string'
      ? Buffer.from(piece)
      : Buffer.isBuffer(piece)
        ? piece
        : Buffer.from(piece);

/** Octets, one after another; a string is its UTF-8 without a length. */
export const octets = (...pieces: Piece[]): Buffer => Buffer.concat(pieces.map(octetsOf));

/** Text or data with its length of two octets. */
export function text(value: string | Buffer): Buffer {
  const bytes = octetsOf(value);
  return octets(bytes.length >> 8, bytes.length & 0xff, bytes);
}

/** A number of two octets. */
export const short = (value: number): Buffer => octets(value >> 8, value & 0xff);

/** A number of four octets. */
export function long(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A Variable Byte Integer. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** A packet with the length of its body. */
export function packet(first: number, ...pieces: Piece[]): Buffer {
  const body = octets(...pieces);
  return octets(first, varint(body.length), body);
}

/** A block of properties with its length. */
export function properties(...pieces: Piece[]): Buffer {
  const block = octets(...pieces);
  return octets(varint(block.length), block);
}

export type ConnectFields = {
  version?: 3 | 4 | 5;
  clientId?: string;
  password?: string;
  username?: string;
  clean?: boolean;
  keepAlive?: number;
  will?: { topic: string; payload?: string; qos?: number; retain?: boolean; properties?: Buffer };
  properties?: Buffer;
};

export function connect(fields: ConnectFields = {}): Buffer {
  const { version = 4, clientId = 'pump', username = 'u', password = 'pump', keepAlive = 60, will } = fields;
  const isFive = version === 5;
  return packet(
    0x10,
    text(version === 3 ? 'MQIsdp' : 'MQTT'),
    version,
    flagsOf(fields),
    short(keepAlive),
    isFive ? (fields.properties ?? properties()) : [],
    text(clientId),
    will ? willOf(will, isFive) : [],
    text(username),
    password === '' ? [] : text(password),
  );
}

function flagsOf({ password, clean = true, will }: ConnectFields): number {
  const ofWill = will ? 4 | ((will.qos ?? 0) << 3) | (will.retain ? 32 : 0) : 0;
  return 0x80 | (password === '' ? 0 : 0x40) | (clean ? 2 : 0) | ofWill;
}

const willOf = (will: NonNullable<ConnectFields['will']>, isFive: boolean): Buffer =>
  octets(isFive ? (will.properties ?? properties()) : [], text(will.topic), text(will.payload ?? 'gone'));

export type PublishFields = {
  qos?: number;
  retain?: boolean;
  duplicate?: boolean;
  id?: number;
  payload?: string | Buffer;
  /** A block; MQTT 5 alone. */
  properties?: Buffer;
};

export function publish(
  topic: string | Buffer,
  { qos = 0, retain = false, duplicate = false, id = 1, payload = 'p', properties: block }: PublishFields = {},
): Buffer {
  const first = 0x30 | (duplicate ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  return packet(first, text(topic), qos > 0 ? short(id) : [], block ?? [], payload);
}

export function subscribe(id: number, filters: readonly (readonly [string, number])[], block?: Buffer): Buffer {
  return packet(0x82, short(id), block ?? [], ...filters.map(([filter, options]) => octets(text(filter), options)));
}

export function unsubscribe(id: number, filters: readonly string[], block?: Buffer): Buffer {
  return packet(0xa2, short(id), block ?? [], ...filters.map((filter) => text(filter)));
}

/** CONNACK of MQTT 3.1.1, and of MQTT 5 with a block of properties. */
export const connack = (
  code = 0,
  { present = false, properties: block }: { present?: boolean; properties?: Buffer } = {},
) => packet(0x20, present ? 1 : 0, code, block ?? []);
