import { readFileSync } from 'node:fs';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEdgeStage, eventually, type EdgeStage } from '../../support/edge/stage.js';
import { describeWith } from '../../support/programs.js';

type StartedEdge = Awaited<ReturnType<EdgeStage['startEdge']>>;
type Got = { topic: string; message: { id: string; name: string; payload: unknown; expiresAt: string } };

const policy = {
  name: 'commanded',
  statements: [
    { id: 'connect', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
    {
      id: 'own',
      effect: 'allow',
      actions: ['publish', 'subscribe'],
      resources: ['topic:${account}/${thing.name}/#'],
    },
    // A deny that a filter overlaps denies the subscription: what is denied here is no allow's.
    {
      id: 'known',
      effect: 'allow',
      actions: ['receive'],
      resources: ['reboot', 'ping', 'one', 'two'].map((name) => `topic:\${account}/\${thing.name}/commands/${name}`),
    },
  ],
};

describeWith(['mosquitto'], 'commands through edges and Mosquitto', () => {
  let stage: EdgeStage;
  let edge: StartedEdge;
  let url: string;
  const clients: MqttClient[] = [];
  const listeners = [{ protocol: 'mqtts', clientCertificates: 'required' }];
  const settings = () => ({ upstream: { mqtt: { url } }, gateway: { commands: {} } });

  beforeAll(async () => {
    stage = await createEdgeStage();
    url = await stage.startBroker();
    expect((await stage.server.owner.post('/v1/policies', policy)).status).toBe(201);
    edge = await stage.startEdge(listeners, settings());
  });
  afterAll(async () => {
    clients.forEach((client) => client.end(true));
    await stage.stop();
  });

  const addThing = async (): Promise<string> => {
    const { name } = await stage.addDevice();
    const put = await stage.server.owner.send('PUT', `/v1/things/${name}/policies`, { policies: [policy.name] });
    expect(put.status, put.text).toBe(200);
    return name;
  };
  const open = async (name: string, options: IClientOptions = {}, at = edge): Promise<MqttClient> => {
    const client = await mqtt.connectAsync(`mqtts://localhost:${at.portOf(0)}`, {
      clientId: name,
      reconnectPeriod: 0,
      ca: readFileSync(stage.at('tls.crt')),
      cert: readFileSync(stage.at(`${name}.crt`)),
      key: readFileSync(stage.at(`${name}.key`)),
      ...options,
    });
    clients.push(client);
    return client;
  };
  /** A device that takes every command, and answers as it is told. */
  const obey = async (name: string, client: MqttClient, answer?: (got: Got) => object | undefined): Promise<Got[]> => {
    const got: Got[] = [];
    client.on('message', (topic, octets) => {
      const message = JSON.parse(octets.toString()) as Got['message'];
      got.push({ topic, message });
      const said = answer?.(got.at(-1)!);
      if (said) void client.publishAsync(`${topic}/${message.id}/result`, JSON.stringify(said), { qos: 1 });
    });
    await client.subscribeAsync(`default/${name}/commands/+`, { qos: 1 });
    return got;
  };
  const send = async (name: string, command: object) => {
    const made = await stage.server.owner.post(`/v1/things/${name}/commands`, command);
    expect(made.status, made.text).toBe(202);
    return made.body as { id: string; status: string };
  };
  const read = async (name: string, id: string) =>
    (await stage.server.owner.get(`/v1/things/${name}/commands/${id}`)).body as Record<string, unknown>;
  const until = (name: string, id: string, status: string) =>
    eventually(
      () => read(name, id),
      (command) => command['status'] === status,
    );

  it('a command reaches its device once, and its answer comes back', async () => {
    const name = await addThing();
    const got = await obey(name, await open(name), () => ({ status: 'acknowledged', uptime: 3 }));
    const { id, status } = await send(name, { name: 'reboot', payload: { delay: 5 }, expiresIn: 60 });
    expect(status).toBe('queued');
    const done = await until(name, id, 'acknowledged');
    expect(done).toMatchObject({ thingName: name, name: 'reboot', result: { status: 'acknowledged', uptime: 3 } });
    expect(got).toEqual([
      {
        topic: `default/${name}/commands/reboot`,
        message: { id, name: 'reboot', payload: { delay: 5 }, expiresAt: expect.any(String) },
      },
    ]);
  });

  it('a command for a device that is away is sent when its session opens', async () => {
    const name = await addThing();
    const first = await send(name, { name: 'one' });
    const second = await send(name, { name: 'two', payload: [1] });
    expect((await read(name, first.id))['status']).toBe('queued');
    const got = await obey(name, await open(name), () => ({ status: 'failed', why: 'busy' }));
    expect(await until(name, first.id, 'failed')).toMatchObject({ result: { status: 'failed', why: 'busy' } });
    await until(name, second.id, 'failed');
    expect(got.map(({ message }) => message.name)).toEqual(['one', 'two']);
  });

  it('what a policy denies is not sent, and says so; a suspended thing gets nothing', async () => {
    const name = await addThing();
    const got = await obey(name, await open(name), () => undefined);
    const denied = await send(name, { name: 'erase' });
    expect(await until(name, denied.id, 'failed')).toMatchObject({ reason: 'denied: no-matching-statement' });
    await send(name, { name: 'ping' });
    await eventually(
      () => got.length,
      (count) => count === 1,
    );
    expect(got[0]!.message.name).toBe('ping');
    expect((await stage.server.owner.post(`/v1/things/${name}/suspend`)).status).toBeLessThan(300);
    expect((await stage.server.owner.post(`/v1/things/${name}/commands`, { name: 'ping' })).status).toBe(403);
  });
});
