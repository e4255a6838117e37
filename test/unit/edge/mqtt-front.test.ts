import { describe, expect, it } from 'vitest';
import { createSegments } from '../../../src/edge/proxy/segments.js';
import { createMqttFront } from '../../../src/edge/proxy/mqtt-front.js';
import type { Arrival } from '../../../src/edge/proxy/listeners.js';
import { createSessions } from '../../../src/edge/proxy/sessions.js';
import type { MqttUpstream } from '../../../src/edge/proxy/upstream.js';
import type { Witness } from '../../../src/edge/proxy/witness.js';
import { createTestClock } from '../../support/edge/clock.js';
import { settle } from '../../support/edge/desk.js';
import { createTestGate } from '../../support/edge/gate.js';
import { connack, connect } from '../../support/edge/packets.js';
import { createWire, type Wire } from '../../support/edge/wires.js';

/** The front with wires for devices and brokers, and the table of sessions behind it. */
function open() {
  const clock = createTestClock();
  const { gate, join, revoke } = createTestGate(
    [{ effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] }],
    clock.wall,
  );
  const timers = { set: clock.timers.setTimeout, clear: clock.timers.clearTimeout };
  const sessions = createSessions({ gate, timers, opened: () => {}, closed: () => {} });
  const brokers: Wire[] = [];
  const refused: string[] = [];
  const upstream = {
    async dial() {
      const wire = createWire();
      brokers.push(wire);
      return wire.near;
    },
    credentialsFor: () => ({ username: 'edge', password: 'secret' }),
    reload: () => {},
  } as MqttUpstream;
  const witness = {
    decided: () => {},
    seen: () => {},
    refused: (reason) => void refused.push(reason),
    upstreamFailed: () => {},
    upstreamWorks: () => {},
  } as Witness;
  const limits = { connectTimeout: 10_000, packetBytes: 262_144, queuedBytesPerConnection: 1_048_576 };
  const front = createMqttFront({
    gate,
    sessions,
    segments: createSegments(() => performance.now()),
    upstream,
    witness,
    timers,
    hooks: undefined,
    config: { limits, deniedPublish: 'refuse' } as never,
    failed: (error) => {
      throw error;
    },
  });

  /** A device that connects, and whose broker answers if it is dialled. */
  const arrive = async (name: string, clean = true): Promise<Wire> => {
    const wire = createWire();
    const place = { moveTo: () => true, authenticated: () => {}, leave: () => {} };
    const arrival = {
      protocol: 'mqtts',
      withoutCertificates: true,
      fingerprint: undefined,
      place,
    } as unknown as Arrival;
    const dialled = brokers.length;
    front.receive({ client: wire.near, sourceIp: '192.0.2.1', arrival });
    wire.send(connect({ clientId: name, password: name, clean }));
    await settle();
    if (brokers.length > dialled) brokers.at(-1)!.send(connack(0));
    await settle();
    return wire;
  };
  return { sessions, brokers, refused, arrive, join, revoke };
}

const returnCode = (wire: Wire): number | undefined => wire.bytes()[3];

describe('MQTT sessions of an edge', () => {
  it('count for their segment, and for no other; who is beyond its limit is refused before the broker is dialled', async () => {
    const { arrive, join, brokers, sessions } = open();
    for (const name of ['one', 'two', 'three']) join(name, 'slow');
    const [one, two, four] = [await arrive('one'), await arrive('two'), await arrive('four')];
    expect([one, two, four].map(returnCode)).toEqual([0, 0, 0]);
    const third = await arrive('three');
    expect(returnCode(third)).not.toBe(0);
    expect(brokers).toHaveLength(3);
    one.close();
    await settle();
    expect(sessions.size()).toBe(2);
    expect(returnCode(await arrive('three'))).toBe(0);
  });

  it('have what the broker keeps purged for the newest session of a client id alone', async () => {
    const { arrive, revoke, brokers, sessions } = open();
    await arrive('one', false);
    await arrive('one', false);
    await arrive('two', true);
    for (const name of ['one', 'two']) revoke(name);
    const things = new Set(['one', 'two']);
    expect(await sessions.enforce({ cursor: 'c', things, everything: false, sessions: new Set<string>() })).toBe(3);
    await settle();
    // Once, for the second: a clean connect with its client id.
    expect(brokers).toHaveLength(4);
    expect(brokers[3]!.bytes().includes('one')).toBe(true);
  });

  it('are in the table until both sides are destroyed, and enforced not before', async () => {
    const { arrive, revoke, brokers, sessions } = open();
    const [one, two] = [await arrive('one'), await arrive('two')];
    expect(sessions.size()).toBe(2);
    revoke('one');
    const change = { cursor: 'c', things: new Set(['one']), everything: false, sessions: new Set<string>() };
    expect(await sessions.enforce(change)).toBe(1);
    expect([one.isClosed(), brokers[0]!.isClosed(), two.isClosed()]).toEqual([true, true, false]);
    expect([one.near.destroyed, brokers[0]!.near.destroyed]).toEqual([true, true]);
    expect(sessions.size()).toBe(1);
  });
});
