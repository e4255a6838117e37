import { describe, expect, it } from 'vitest';
import type { Hooks } from '../../../../src/edge/mqtt/hooks.js';
import { createDesk, hex, settle } from '../../../support/edge/desk.js';
import { allow } from '../../../support/edge/gate.js';
import {
  connect,
  octets,
  packet,
  properties,
  publish,
  short,
  subscribe,
  text,
  unsubscribe,
} from '../../../support/edge/packets.js';

const statements = [
  allow(['connect'], ['client:${thing.name}']),
  allow(['publish', 'subscribe', 'receive'], ['topic:acme/${thing.name}/#']),
];
const none = properties();

async function joined(hooks: Hooks, fields = {}) {
  const desk = createDesk({ statements, hooks });
  await desk.join(fields);
  return desk;
}

describe('a hook', () => {
  it('may refuse a connect, and is asked after the device was let in', async () => {
    const asked: string[] = [];
    const desk = createDesk({
      statements,
      hooks: {
        async authConnect({ guest, clientId, protocol }) {
          asked.push([guest.thingName, clientId, protocol].join());
          return false;
        },
      },
    });
    await desk.send(connect());
    expect([asked, desk.toClient(), desk.brokers]).toEqual([['pump,pump,mqtts'], '20020005', []]);
    const stranger = createDesk({ statements, hooks: { authConnect: () => Promise.reject(new Error('never')) } });
    await stranger.send(connect({ clientId: 'x' }));
    expect([stranger.toClient(), stranger.errors]).toEqual(['20020005', []]);
  });

  it('may change topic and payload, which are judged again, or refuse', async () => {
    const desk = await joined(
      {
        async authPublish(_session, { topic, payload }) {
          if (topic.endsWith('/no')) return false;
          if (topic.endsWith('/throw')) throw new Error('broken');
          if (topic.endsWith('/same')) return undefined;
          if (topic.endsWith('/else')) return { topic: 'acme/valve/t' };
          return { topic: `${topic}/é`, payload: Buffer.concat([payload, payload]) };
        },
      },
      { version: 5 },
    );
    const block = properties(0x26, text('k'), text('v'));
    const sent = ['a', 'no', 'throw', 'same', 'else', 'b'].map((name, index) =>
      publish(`acme/pump/${name}`, { qos: 1, id: index + 1, payload: 'p', properties: block }),
    );
    await desk.send(octets(...sent));
    await settle();
    expect(desk.toBroker()).toBe(
      hex(
        publish('acme/pump/a/é', { qos: 1, id: 1, payload: 'pp', properties: block }),
        sent[3]!,
        publish('acme/pump/b/é', { qos: 1, id: 6, payload: 'pp', properties: block }),
      ),
    );
    expect(desk.toClient()).toBe('4003000287' + '4003000387' + '4003000587');
    expect(desk.errors).toHaveLength(1);
  });

  it('may change filters, which keep number and order and are judged again', async () => {
    const desk = await joined({
      authSubscribe: (_session, filters) => filters.map((filter) => filter.replace('short', 'acme/pump')),
    });
    await desk.send(
      subscribe(7, [
        ['short/a', 1],
        ['acme/pump/b', 0],
        ['acme/valve', 2],
      ]),
    );
    expect(desk.toBroker()).toBe(
      hex(
        subscribe(7, [
          ['acme/pump/a', 1],
          ['acme/pump/b', 0],
        ]),
      ),
    );
    await desk.deliver(packet(0x90, short(7), 1, 0));
    expect(desk.toClient()).toBe(hex(packet(0x90, short(7), 1, 0, 0x80)));
    const refusing = await joined({ authSubscribe: async () => false }, { version: 5 });
    await refusing.send(subscribe(7, [['acme/pump/a', 1]], none));
    expect([refusing.toBroker(), refusing.toClient()]).toEqual(['', hex(packet(0x90, short(7), none, 0x87))]);
    const wrong = await joined({ authSubscribe: () => [] }, { version: 5 });
    await wrong.send(subscribe(7, [['acme/pump/a', 1]], none));
    expect([wrong.toBroker(), wrong.toClient().slice(4, 6), wrong.errors.length]).toEqual(['', '80', 1]);
  });

  it('has nothing overtake what it is asked about', async () => {
    const answers: (() => void)[] = [];
    const desk = await joined({
      authPublish: () => new Promise<boolean>((resolve) => answers.push(() => resolve(true))),
    });
    const sent = ['a', 'b'].map((name) => publish(`acme/pump/${name}`));
    await desk.send(octets(...sent, packet(0xc0)));
    expect([desk.toBroker(), answers.length]).toEqual(['', 1]);
    answers[0]!();
    await settle();
    expect(desk.toBroker()).toBe(hex(sent[0]!));
    answers[1]!();
    await settle();
    expect(desk.toBroker()).toBe(hex(sent[1]!, packet(0xc0)));
  });

  it('is told of what passes', async () => {
    const told: string[] = [];
    const desk = await joined({
      connect: ({ clientId }) => void told.push(`connect ${clientId}`),
      publish: (_session, { topic, payload, qos, retain }) =>
        void told.push(`publish ${topic} ${String(payload)} ${qos} ${retain}`),
      subscribe: (_session, filters) => void told.push(`subscribe ${filters.join()}`),
      unsubscribe: (_session, filters) => void told.push(`unsubscribe ${filters.join()}`),
      disconnect: ({ guest }) => void told.push(`disconnect ${guest.thingName}`),
    });
    await desk.send(
      publish('acme/pump/a', { qos: 1, retain: true }),
      subscribe(1, [
        ['acme/pump/a', 0],
        ['no', 0],
      ]),
      unsubscribe(2, ['acme/pump/a']),
      packet(0xe0),
    );
    expect(told).toEqual([
      'connect pump',
      'publish acme/pump/a p 1 true',
      'subscribe acme/pump/a',
      'unsubscribe acme/pump/a',
      'disconnect pump',
    ]);
  });
});
