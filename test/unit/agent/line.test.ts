import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { openLine } from '../../../src/agent/line/line.js';
import type { Greeting } from '../../../src/agent/line/greeting.js';
import type { Outgoing } from '../../../src/agent/line/packets.js';

const connack = Buffer.of(0x20, 3, 0, 0, 0);
const suback = Buffer.of(0x90, 4, 0xff, 0xff, 0, 1);
const turn = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 5));
const message = (topic: string, payload: string, qos: 0 | 1 = 1): Outgoing => ({
  topic,
  payload: Buffer.from(payload),
  qos,
  retain: false,
});

/** A line, and the other end of it, which sends what it is told. */
function createStage(filter: string | undefined = 'acme/pump/commands/+') {
  const [near, far] = duplexPair();
  const [sent, messages, subscribed]: [Buffer[], string[], boolean[]] = [[], [], []];
  far.on('data', (octets: Buffer) => sent.push(octets));
  far.on('error', () => {});
  const greetings: Greeting[] = [];
  const line = openLine(near, {
    clientId: 'pump',
    keepAliveSeconds: 300,
    filter,
    ready: (greeting) => void greetings.push(greeting),
    subscribed: (isAllowed) => void subscribed.push(isAllowed),
    message: (topic, payload) => void messages.push(`${topic} ${payload.toString()}`),
  });
  let why: { error: Error; code?: number } | undefined;
  void line.over.then((ended) => (why = ended));
  return { line, far, messages, greetings, subscribed, why: () => why, sent: () => Buffer.concat(sent) };
}

const publish = (first: number, topic: string, id: number | undefined, payload: string, properties = ''): Buffer => {
  const text = Buffer.from(topic);
  const block = Buffer.from(properties, 'latin1');
  const body = Buffer.concat([
    Buffer.of(text.length >> 8, text.length & 255),
    text,
    ...(id === undefined ? [] : [Buffer.of(id >> 8, id & 255)]),
    Buffer.of(block.length),
    block,
    Buffer.from(payload),
  ]);
  return Buffer.concat([Buffer.of(first, body.length), body]);
};

describe("the agent's line of MQTT", () => {
  it('connects, subscribes, takes messages and publishes, in whatever pieces octets come', async () => {
    const { line, far, messages, greetings, subscribed, sent, why } = createStage();
    // A subscription identifier and a user property.
    const properties = '\x0b\x01\x26\x00\x01a\x00\x01b';
    const stream = [connack, suback, publish(0x32, 'a/b', 7, '{}', properties), publish(0x30, 'c', undefined, 'x')];
    for (const octet of Buffer.concat(stream)) far.write(Buffer.of(octet));
    await turn();
    expect([greetings.length, subscribed, messages]).toEqual([1, [true], ['a/b {}', 'c x']]);
    const connect = Buffer.from('\x10\x16\0\x04MQTT\x05\x02\x01\x2c\x05\x27\0\x04\0\0\0\x04pump', 'latin1');
    const subscribe = Buffer.concat([
      Buffer.of(0x82, 26, 0xff, 0xff, 0, 0, 20),
      Buffer.from('acme/pump/commands/+'),
      Buffer.of(1),
    ]);
    expect(sent().toString('hex')).toBe(Buffer.concat([connect, subscribe, Buffer.of(0x40, 2, 0, 7)]).toString('hex'));
    const published = line.publish(message('t', 'p'));
    const unsure = line.publish({ ...message('t', 'p', 0), retain: true, userProperties: [['id', '7']] });
    await turn();
    expect(await unsure).toBe(0);
    expect(sent().subarray(-24).toString('hex')).toBe(
      '32070001740001007031' + '0d' + '000174' + '082600026964000137' + '70',
    );
    far.write(Buffer.of(0x40, 3, 0, 1, 0x10));
    expect(await published).toBe(0x10);
    const denied = line.publish(message('t', 'p'));
    far.write(Buffer.of(0x40, 4, 0, 2, 0x87, 0));
    expect(await denied).toBe(0x87);
    const lost = line.publish(message('t', 'p'));
    far.end();
    expect(await lost).toBe(undefined);
    await turn();
    expect(why()?.error).toBeInstanceOf(Error);
    expect(await line.publish(message('t', 'p'))).toBe(undefined);
  });

  it('knows what the other side takes, and why it ended the connection', async () => {
    const { far, greetings, why } = createStage();
    far.write(Buffer.from('\x20\x0e\0\0\x0b\x21\0\x05\x27\0\0\x10\0\x13\0\x0a', 'latin1'));
    await turn();
    expect(greetings).toEqual([{ code: 0, receiveMaximum: 5, packetBytes: 4096, keepAlive: 10 }]);
    far.write(Buffer.of(0xe0, 2, 0x98, 0));
    await turn();
    expect(why()).toMatchObject({ code: 0x98, error: { message: expect.stringContaining('revoked') as string } });
  });

  it('publishes where it may not subscribe, and subscribes to nothing where there is nothing to take', async () => {
    const denied = createStage();
    denied.far.write(Buffer.concat([connack, Buffer.of(0x90, 4, 0xff, 0xff, 0, 0x87)]));
    await turn();
    expect([denied.subscribed, denied.why()]).toEqual([[false], undefined]);
    const published = denied.line.publish(message('t', 'p'));
    denied.far.write(Buffer.of(0x40, 2, 0, 1));
    expect(await published).toBe(0);
    denied.line.close();
    await turn();
    expect(denied.sent().subarray(-2).toString('hex')).toBe('e000');
    const [near, far] = duplexPair();
    const sent: Buffer[] = [];
    far.on('data', (octets: Buffer) => sent.push(octets));
    const line = openLine(near, { clientId: 'x', keepAliveSeconds: 30, ready() {}, subscribed() {}, message() {} });
    far.write(connack);
    await turn();
    expect(Buffer.concat(sent)[0]).toBe(0x10);
    expect(Buffer.concat(sent)).toHaveLength(21);
    line.close();
  });

  it.each([
    ['a message before CONNACK', publish(0x30, 'a', undefined, '')],
    ['a refusal', Buffer.of(0x20, 3, 0, 0x87, 0)],
    ['a refusal of MQTT 3', Buffer.of(0x20, 2, 0, 1)],
    ['a second CONNACK', Buffer.concat([connack, connack])],
    ['a CONNACK that is too long', Buffer.of(0x20, 4, 0, 0, 0, 0)],
    ['a CONNACK of MQTT 3', Buffer.of(0x20, 2, 0, 0)],
    ['a SUBACK of another', Buffer.concat([connack, Buffer.of(0x90, 4, 0, 1, 0, 1)])],
    ['a SUBACK too many', Buffer.concat([connack, suback, suback])],
    ['QoS 2', Buffer.concat([connack, suback, publish(0x34, 'a', 1, '')])],
    ['QoS 3', Buffer.concat([connack, suback, publish(0x36, 'a', 1, '')])],
    ['a packet identifier of 0', Buffer.concat([connack, suback, publish(0x32, 'a', 0, '')])],
    ['a topic that ends outside', Buffer.concat([connack, suback, Buffer.of(0x30, 3, 0, 9, 65)])],
    ['properties that end outside', Buffer.concat([connack, suback, Buffer.of(0x30, 4, 0, 1, 65, 9)])],
    ['an unknown reason code', Buffer.concat([connack, suback, Buffer.of(0x40, 3, 0, 1, 0x42)])],
    ['a length of five octets', Buffer.concat([connack, suback, Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 1)])],
    ['a packet that is too large', Buffer.concat([connack, suback, Buffer.of(0x30, 0xff, 0xff, 0x7f)])],
    ['what a client sends', Buffer.concat([connack, Buffer.of(0xc0, 0)])],
    ['noise', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('ends with %s', async (_, octets) => {
    const { far, why, messages } = createStage();
    far.write(octets);
    await turn();
    expect(why()?.error).toBeInstanceOf(Error);
    expect(messages).toEqual([]);
  });
});
