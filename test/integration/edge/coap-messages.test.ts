import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { readDatagram, writeDatagram, type Message } from '../../../src/edge/coap-messages/datagrams.js';
import { CoapFault } from '../../../src/edge/coap-messages/fault.js';
import { createMessageStream, writeStreamMessage } from '../../../src/edge/coap-messages/streams.js';
import { describeWith } from '../../support/programs.js';
import type { Random } from '../../support/policy-cases.js';
import { seeded } from '../../support/seeded.js';

const most = 4096;
const count = 100_000;
const oracle = 'test/support/coap/oracle.py';

/** What aiocoap says of each line. */
function judge(lines: string[]): unknown[] {
  const { stdout, stderr, status } = spawnSync('python3', [oracle, String(most)], {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

const octets = (random: Random, length: number): Buffer => Buffer.from(Array.from({ length }, () => random.below(256)));

function messageOf(random: Random): Message {
  const options = Array.from({ length: random.below(5) }, () => ({
    number: random.pick([3, 6, 11, 11, 12, 15, 23, 27, 258, 269, 282, 65_001, random.below(65_536)]),
    value: octets(random, random.pick([0, 1, 2, 12, 13, 14, 40, 268, 269, 270])),
  }));
  const payload = octets(random, random.pick([0, 0, 1, 13, 60, 300]));
  return {
    code: random.pick([1, 2, 3, 69, 225, random.below(256)]),
    token: octets(random, random.below(9)),
    options,
    payload,
  };
}

/** A few octets that are other ones, that are gone, or that came from somewhere. */
function mutate(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  switch (random.below(5)) {
    case 0:
      return bytes;
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), octets(random, random.below(4)), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(4))]);
    default: {
      const changed = Buffer.from(bytes);
      for (let times = 0; times <= random.below(3) && changed.length > 0; times++)
        changed[random.below(Math.min(changed.length, 24))] = random.pick([
          0,
          13,
          14,
          15,
          0xd0,
          0xe0,
          0xf0,
          0xff,
          random.below(256),
        ]);
      return changed;
    }
  }
}

const show = ({ code, token, options, payload }: Message): object => ({
  code,
  token: token.toString('hex'),
  options: options.map(({ number, value }) => [number, value.toString('hex')]),
  payload: payload.toString('hex'),
});

/** The messages of a stream that comes in some pieces, and whether it is bad. */
function split(bytes: Buffer, cuts: number[]): [object[], string] {
  const messages: object[] = [];
  const stream = createMessageStream(most, { take: (message) => messages.push(show(message)) > 0 });
  try {
    for (let at = 0; at < cuts.length; at++) stream.push(Buffer.from(bytes.subarray(cuts[at], cuts[at + 1])));
    return [messages, 'more'];
  } catch (error) {
    if (!(error instanceof CoapFault)) throw error;
    return [messages, 'bad'];
  }
}

describeWith(['python3:aiocoap'], 'messages of CoAP, as aiocoap reads them', () => {
  it(`${count} datagrams`, () => {
    const random = seeded('datagrams of CoAP');
    const given = Array.from({ length: count }, () => {
      const message = messageOf(random);
      return mutate(random, writeDatagram({ ...message, type: random.below(4), id: random.below(65_536) }));
    });
    const said = judge(given.map((bytes) => `u ${bytes.toString('hex')}`));
    let accepted = 0;
    given.forEach((bytes, at) => {
      const read = readDatagram(bytes);
      const ours = read && !('fault' in read) ? { type: read.type, id: read.id, ...show(read) } : null;
      if (ours) accepted++;
      expect(ours, bytes.toString('hex')).toEqual(said[at]);
      if (read && !('fault' in read)) expect(writeDatagram(read).equals(bytes), bytes.toString('hex')).toBe(true);
    });
    expect(accepted).toBeGreaterThan(count / 5);
    expect(accepted).toBeLessThan((4 * count) / 5);
  }, 300_000);

  it(`${count / 5} streams of up to five messages, in whatever pieces they come`, () => {
    const random = seeded('streams of CoAP');
    const given = Array.from({ length: count / 5 }, () =>
      mutate(
        random,
        Buffer.concat(Array.from({ length: 1 + random.below(5) }, () => writeStreamMessage(messageOf(random)))),
      ),
    );
    const said = judge(given.map((bytes) => `t ${bytes.toString('hex')}`));
    let bad = 0;
    given.forEach((bytes, at) => {
      const some = Array.from({ length: random.below(8) }, () => random.below(bytes.length + 1)).sort(
        (one, other) => one - other,
      );
      const whole = split(bytes, [0]);
      if (whole[1] === 'bad') bad++;
      expect(whole, bytes.toString('hex')).toEqual(said[at]);
      expect(split(bytes, [0, ...some]), bytes.toString('hex')).toEqual(whole);
      if (at % 20 === 0) expect(split(bytes, [...bytes.keys()])).toEqual(whole);
    });
    expect(bad).toBeGreaterThan(count / 50);
  }, 300_000);
});
