import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { openLine } from '../../../src/agent/commands/mqtt-line.js';

const connack = Buffer.of(0x20, 2, 0, 0);
const suback = Buffer.of(0x90, 3, 0xff, 0xff, 1);
const turn = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 5));

/** A line, and the other end of it, which sends what it is told. */
function createStage() {
  const [near, far] = duplexPair();
  const [sent, messages]: [Buffer[], string[]] = [[], []];
  far.on('data', (octets: Buffer) => sent.push(octets));
  far.on('error', () => {});
  let ready = 0;
  const line = openLine(near, {
    clientId: 'pump',
    filter: 'acme/pump/commands/+',
    ready: () => void ready++,
    message: (topic, payload) => void messages.push(`${topic} ${payload.toString()}`),
  });
  let why: Error | undefined;
  void line.over.then((error) => (why = error));
  return { line, far, messages, ready: () => ready, why: () => why, sent: () => Buffer.concat(sent) };
}

const publish = (first: number, topic: string, id: number | undefined, payload: string): Buffer => {
  const text = Buffer.from(topic);
  const body = Buffer.concat([
    Buffer.of(text.length >> 8, text.length & 255),
    text,
    ...(id === undefined ? [] : [Buffer.of(id >> 8, id & 255)]),
    Buffer.from(payload),
  ]);
  return Buffer.concat([Buffer.of(first, body.length), body]);
};

describe("the agent's line of MQTT", () => {
  it('connects, subscribes, takes messages and publishes, in whatever pieces octets come', async () => {
    const { line, far, messages, ready, sent, why } = createStage();
    const stream = Buffer.concat([connack, suback, publish(0x32, 'a/b', 7, '{}'), publish(0x30, 'c', undefined, 'x')]);
    for (const octet of stream) far.write(Buffer.of(octet));
    await turn();
    expect([ready(), messages]).toEqual([1, ['a/b {}', 'c x']]);
    const connect = Buffer.from('\u0010\u0010\0\u0004MQTT\u0004\u0002\0\u001e\0\u0004pump', 'latin1');
    const subscribe = Buffer.concat([
      Buffer.of(0x82, 25, 0xff, 0xff, 0, 20),
      Buffer.from('acme/pump/commands/+'),
      Buffer.of(1),
    ]);
    expect(sent().toString('hex')).toBe(Buffer.concat([connect, subscribe, Buffer.of(0x40, 2, 0, 7)]).toString('hex'));
    const published = line.publish('t', 'p');
    await turn();
    expect(sent().subarray(-8).toString('hex')).toBe('3206000174000170');
    far.write(Buffer.of(0x40, 2, 0, 1));
    expect(await published).toBe(true);
    const lost = line.publish('t', 'p');
    far.destroy();
    expect(await lost).toBe(false);
    await turn();
    expect(why()).toBeInstanceOf(Error);
    expect(await line.publish('t', 'p')).toBe(false);
  });

  it.each([
    ['a message before CONNACK', publish(0x30, 'a', undefined, '')],
    ['a refusal', Buffer.of(0x20, 2, 0, 5)],
    ['a second CONNACK', Buffer.concat([connack, connack])],
    ['a CONNACK that is too long', Buffer.of(0x20, 3, 0, 0, 0)],
    ['a denied subscription', Buffer.concat([connack, Buffer.of(0x90, 3, 0xff, 0xff, 0x80)])],
    ['a SUBACK of another', Buffer.concat([connack, Buffer.of(0x90, 3, 0, 1, 1)])],
    ['QoS 2', Buffer.concat([connack, suback, publish(0x34, 'a', 1, '')])],
    ['QoS 3', Buffer.concat([connack, suback, publish(0x36, 'a', 1, '')])],
    ['a packet identifier of 0', Buffer.concat([connack, suback, publish(0x32, 'a', 0, '')])],
    ['a topic that ends outside', Buffer.concat([connack, suback, Buffer.of(0x30, 3, 0, 9, 65)])],
    ['a length of five octets', Buffer.concat([connack, suback, Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 1)])],
    ['a packet that is too large', Buffer.concat([connack, suback, Buffer.of(0x30, 0xff, 0xff, 0x7f)])],
    ['what a client sends', Buffer.concat([connack, Buffer.of(0xc0, 0)])],
    ['noise', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('ends with %s', async (_, octets) => {
    const { far, why, messages } = createStage();
    far.write(octets);
    await turn();
    expect(why()).toBeInstanceOf(Error);
    expect(messages).toEqual([]);
  });
});
