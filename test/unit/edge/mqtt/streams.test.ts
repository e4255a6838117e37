import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readByOracle } from '../../../support/edge/oracle.js';
import { run, type Outcome } from '../../../support/edge/runs.js';
import { cut, deliveriesOf, isOwn, isOwnFilter, mutate, streamOf, type Stream } from '../../../support/edge/streams.js';
import { createRandom, type Random } from '../../../support/policy-cases.js';
import { seeded } from '../../../support/seeded.js';

// As long as a slow machine needs for so many.
const timeout = 86_400_000;
const streams = Number(process.env['MQTT_STREAMS'] ?? 100_000);

const shown = ({ toBroker, toClient, code }: Outcome) => ({
  toBroker: toBroker.toString('hex'),
  toClient: toClient.toString('hex'),
  code,
});

/** A token is the name of its thing here: octets that changed in client id and token alike make a device that is let in rightly. */
function isAnotherDevice(bytes: Buffer, version: number): boolean {
  const [first] = readByOracle(bytes, version).packets;
  return first?.cmd === 'connect' && first.clientId !== 'pump' && String(first.password ?? '') === first.clientId;
}

function expectOwnConnect({
  clientId,
  username,
  will,
}: Extract<ReturnType<typeof readByOracle>['packets'][number], { cmd: 'connect' }>): void {
  expect([clientId, username]).toEqual(['pump', undefined]);
  if (will) expect(isOwn(will.topic)).toBe(true);
}

/** Everything that reached the broker is MQTT to a second parser, and what the device may send. */
function expectJudged({ toBroker }: Outcome, version: number, sent?: Buffer): string[] {
  if (toBroker.length === 0 || (sent && isAnotherDevice(sent, version))) return [];
  const { packets, error, rest } = readByOracle(toBroker, version);
  if (error !== undefined || rest !== 0)
    throw new Error(`the broker got no MQTT: ${error ?? `${rest} octets are left`}`);
  for (const packet of packets) {
    if (packet.cmd === 'connect') expectOwnConnect(packet);
    if (packet.cmd === 'publish' && !isOwn(packet.topic)) throw new Error(`the broker got ${packet.topic}`);
    if (packet.cmd !== 'subscribe') continue;
    for (const { topic } of packet.subscriptions) if (!isOwnFilter(topic)) throw new Error(`the broker got ${topic}`);
  }
  return packets.map(({ cmd }) => cmd);
}

/** What Thingward took as a whole is MQTT to a second parser too. After a DISCONNECT, nothing is looked at. */
function expectTaken({ code, toBroker }: Outcome, version: number, bytes: Buffer): void {
  if (code !== 0 || readByOracle(toBroker, version).packets.at(-1)?.cmd === 'disconnect') return;
  const { error } = readByOracle(bytes, version);
  if (error !== undefined) throw new Error(`taken, but: ${error}: ${bytes.toString('hex')}`);
}

/** Nothing that the device may not receive reached it. */
function expectReceivable({ toClient }: Outcome, version: number): void {
  for (const packet of readByOracle(toClient, version).packets)
    if (packet.cmd === 'publish' && !isOwn(packet.topic)) throw new Error(`the client got ${packet.topic}`);
}

async function expectAlike(
  { version }: Stream,
  bytes: Buffer,
  random: Random,
  deliveries: Buffer[] = [],
): Promise<Outcome> {
  const whole = await run(version, [bytes], deliveries);
  const pieces = cut(random, bytes);
  const down = Buffer.concat(deliveries);
  const split = await run(version, pieces, deliveries.length > 0 ? cut(random, down) : []);
  if (JSON.stringify(shown(whole)) !== JSON.stringify(shown(split)))
    expect(shown(split), `${bytes.toString('hex')} in ${pieces.map(({ length }) => length).join()}`).toEqual(
      shown(whole),
    );
  expect([...whole.errors, ...split.errors]).toEqual([]);
  expect(whole.mostKept).toBeLessThan(400_000);
  return whole;
}

describe('any stream of octets', () => {
  it('means the same in whatever pieces it comes', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.infiniteStream(fc.nat()), async (seed, cuts) => {
        runs++;
        const stream = streamOf(createRandom(seed));
        const bytes = mutate(createRandom(seed), Buffer.concat(stream.packets), 0);
        const pieces: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += pieces.at(-1)!.length) {
          const size = 1 + ((cuts.next().value as number) % 40);
          pieces.push(bytes.subarray(at, at + size));
        }
        expect(shown(await run(stream.version, pieces))).toEqual(shown(await run(stream.version, [bytes])));
      }),
      { numRuns: 500, seed: seeded('pieces').below(2 ** 31) },
    );
    console.log(`pieces: streams=${runs}`);
  });

  it('that is valid reaches the broker as far as it is allowed', async () => {
    const random = seeded('valid streams');
    const seen = new Map<string, number>();
    for (let count = 0; count < streams / 50; count++) {
      const stream = streamOf(random);
      const outcome = await expectAlike(
        stream,
        Buffer.concat(stream.packets),
        random,
        deliveriesOf(random, stream.version),
      );
      for (const cmd of expectJudged(outcome, stream.version)) seen.set(cmd, (seen.get(cmd) ?? 0) + 1);
      expectReceivable(outcome, stream.version);
    }
    console.log(`valid: ${[...seen].map(([cmd, count]) => `${cmd}=${count}`).join(' ')}`);
    expect(seen.size).toBeGreaterThan(8);
  });

  it(
    'that is not valid brings nothing to the broker that was not judged, and breaks nothing',
    { timeout },
    async () => {
      const random = seeded('mutated streams');
      const codes = new Map<string, number>();
      for (let count = 0; count < streams; count++) {
        const stream = streamOf(random);
        const joined = Buffer.concat(stream.packets);
        const bytes = mutate(random, joined, random.chance(0.2) ? 0 : stream.packets[0]!.length);
        // Two runs now and then: pieces have a test to themselves.
        const deniedPublish = random.pick(['refuse', 'drop', 'drop'] as const);
        const outcome =
          count % 8 === 0
            ? await expectAlike(stream, bytes, random)
            : await run(stream.version, [bytes], [], { deniedPublish });
        expectJudged(outcome, stream.version, bytes);
        expectTaken(outcome, stream.version, bytes);
        if (outcome.errors.length > 0) expect(outcome.errors).toEqual([]);
        const code = `0x${(outcome.code ?? -1).toString(16)}`;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      console.log(`mutated: streams=${streams} ${[...codes].map(([code, count]) => `${code}=${count}`).join(' ')}`);
      for (const code of ['0x0', '0x81', '0x82', '0x87']) expect(codes.get(code) ?? 0).toBeGreaterThan(streams / 500);
    },
  );

  it('of a broker brings nothing to the client that it may not receive', async () => {
    const random = seeded('mutated deliveries');
    for (let count = 0; count < streams / 20; count++) {
      const stream = streamOf(random);
      const bytes = mutate(random, Buffer.concat(deliveriesOf(random, stream.version)), 0);
      const outcome = await run(stream.version, [stream.packets[0]!], cut(random, bytes));
      expectReceivable(outcome, stream.version);
      expect(outcome.errors).toEqual([]);
    }
  });
});
