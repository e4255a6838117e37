import { readFileSync } from 'node:fs';
import mqtt, { type IConnackPacket, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSpy, type Listener } from '../../support/edge/brokers.js';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { renew, useKey } from '../../support/fleet.js';
import { serialOf } from '../../support/pki/crl.js';
import { describeWith } from '../../support/programs.js';

describeWith(['mosquitto', 'openssl'], 'what Mosquitto keeps for a device', () => {
  let stage: EdgeStage;
  let edge: Awaited<ReturnType<EdgeStage['startEdge']>>;
  let broker: string;
  let spy: Listener & { connections: Buffer[][] };
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    stage = await createEdgeStage();
    broker = await stage.startBroker();
    spy = await startSpy(Number(new URL(broker).port));
    const upstream = { mqtt: { url: `mqtt://127.0.0.1:${spy.port}` } };
    edge = await stage.startEdge([{ protocol: 'mqtts' }, { protocol: 'ws' }], { upstream });
  });
  afterAll(async () => {
    clients.forEach((client) => client.end(true));
    await stage?.stop();
    await spy?.stop();
  });

  const lasting = { clean: false, properties: { sessionExpiryInterval: 3600 }, reconnectPeriod: 0 };

  /** A device whose session the broker keeps. `gone` resolves once the edge has said that both of its connections are closed. */
  const join = async (protocolVersion: 4 | 5, shows: 'certificate' | 'token' = 'certificate') => {
    const device = await stage.addDevice();
    const options = { ...lasting, clientId: device.name, protocolVersion };
    const client =
      shows === 'token'
        ? mqtt.connect(`ws://127.0.0.1:${edge.portOf(1)}/mqtt`, { ...options, username: 'x', password: device.token })
        : mqtt.connect(`mqtts://localhost:${edge.portOf(0)}`, {
            ...options,
            ca: readFileSync(stage.at('tls.crt')),
            cert: readFileSync(stage.at(`${device.name}.crt`)),
            key: readFileSync(stage.at(`${device.name}.key`)),
          });
    clients.push(client);
    client.on('error', () => {});
    await new Promise((resolve) => client.once('connect', resolve));
    await client.subscribeAsync(`${device.name}/#`, { qos: 1 });
    const sessions = async () =>
      (await stage.server.owner.get(`/v1/sessions?thing=${device.name}`)).body.items as object[];
    await eventually(sessions, ({ length }) => length === 1);
    const gone = async () => void (await eventually(sessions, ({ length }) => length === 0));
    return { device, gone };
  };

  /** Whether the broker still has the session, which keeps it as it is. */
  const isKept = async (clientId: string, protocolVersion: 4 | 5): Promise<boolean> => {
    const client = mqtt.connect(broker, { ...lasting, clientId, protocolVersion });
    const { sessionPresent } = await new Promise<IConnackPacket>((resolve) => client.once('connect', resolve));
    await client.endAsync();
    return sessionPresent;
  };

  /** What the broker is told in MQTT 5 is in the DISCONNECT; in MQTT 3 a second connection tells it. */
  const purged = async (protocolVersion: 4 | 5, before: number): Promise<void> => {
    const octets = () => spy.connections.slice(before).map((parts) => Buffer.concat(parts).toString('hex'));
    const isTold = ([first = '', second = '']: string[]): boolean =>
      protocolVersion === 5 ? /e00700051100000000$/.test(first) : second.endsWith('e000');
    await eventually(octets, isTold);
    expect(octets()).toHaveLength(protocolVersion === 5 ? 1 : 2);
  };

  const revoke = async (serial: string, reason: string): Promise<void> => {
    expect((await stage.server.owner.post(`/v1/certificates/${serial}/revoke`, { reason })).status).toBe(200);
  };

  it.each([4, 5] as const)('is gone with its only certificate, in MQTT version %i', async (version) => {
    const before = spy.connections.length;
    const { device, gone } = await join(version);
    await revoke(serialOf(device), 'keyCompromise');
    await gone();
    await purged(version, before);
    expect(await isKept(device.name, version)).toBe(false);
  });

  it.each([
    [4, 'certificate'],
    [5, 'certificate'],
    [4, 'token'],
    [5, 'token'],
  ] as const)('is gone with its thing, in MQTT version %i, when the device showed a %s', async (version, shows) => {
    const before = spy.connections.length;
    const { device, gone } = await join(version, shows);
    await stage.server.owner.post(`/v1/things/${device.name}/revoke`, { reason: 'unspecified' });
    await gone();
    await purged(version, before);
    expect(await isKept(device.name, version)).toBe(false);
  });

  it.each([4, 5] as const)('stays while it may come back, in MQTT version %i', async (version) => {
    const before = spy.connections.length;
    const { device: held, gone: ofHold } = await join(version);
    await revoke(serialOf(held), 'certificateHold');
    await ofHold();
    const { device: renewed, gone: ofOther } = await join(version);
    const next = await renew(stage.server, renewed);
    expect(next.answer.status).toBe(201);
    await revoke(serialOf(renewed), 'keyCompromise');
    await ofOther();
    const { device: replaced, gone: ofOlder } = await join(version);
    await useKey(stage.server, await renew(stage.server, replaced));
    await ofOlder();
    const { device: paused, gone: ofSuspension } = await join(version);
    await stage.server.owner.post(`/v1/things/${paused.name}/suspend`);
    await ofSuspension();
    expect(spy.connections.length - before).toBe(4);
    for (const { name } of [held, renewed, replaced, paused])
      expect([name, await isKept(name, version)]).toEqual([name, true]);
  });
});
