import { connectAsync, type MqttClient } from 'mqtt';
import { expect, it } from 'vitest';
import { enroll, provision, type Device } from '../fleet.js';
import type { TestServer } from '../server.js';
import type { ProxyStage, Weather } from './proxies.js';
import { tokenOf, type DialectStage } from './stage.js';

/** A broker that decides by Thingward, and what stands around it. */
export type Tried = {
  server: TestServer;
  stage: ProxyStage;
  devices: DialectStage;
  port: number;
  protocolVersion: 4 | 5;
  /** Hears what is published by all. */
  witness: Device;
  /** May only do what it may in some hours' time. */
  late: Device;
};

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const patienceMs = 60_000;

/** Two more devices beside those of the stage: one that hears everything, and one whose hours have not come. */
export async function addTried(server: TestServer): Promise<Pick<Tried, 'witness' | 'late'>> {
  const hour = server.now().getUTCHours();
  const at = (ahead: number) => `${String((hour + ahead) % 24).padStart(2, '0')}:00`;
  const allow = (id: string, actions: string[], resource: string, condition?: object) => ({
    id,
    effect: 'allow',
    actions,
    resources: [resource],
    ...(condition ? { condition } : {}),
  });
  const own = 'client:${thing.name}';
  const statements = {
    hears: [allow('in', ['connect'], own), allow('all', ['subscribe', 'receive'], 'topic:things/#')],
    later: [allow('in', ['connect'], own, { timeWindows: [{ from: at(6), to: at(8), days, timeZone: 'UTC' }] })],
  };
  for (const [name, each] of Object.entries(statements))
    expect((await server.owner.post('/v1/policies', { name, statements: each })).status).toBe(201);
  const add = async (name: string, policy: string) =>
    provision(server, (await enroll(server, { policies: [policy] })).token, name);
  return { witness: await add('witness', 'hears'), late: await add('late', 'later') };
}

/** Policies that a list of rights can say in whole: no deny touches what may be subscribed to. */
export async function giveSayable(server: TestServer): Promise<void> {
  const statements = [
    { id: 'in', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
    { id: 'up', effect: 'allow', actions: ['publish'], resources: ['topic:things/${thing.name}/#'] },
    { id: 'not', effect: 'deny', actions: ['publish'], resources: ['topic:things/+/secret'] },
    {
      id: 'down',
      effect: 'allow',
      actions: ['subscribe', 'receive'],
      resources: ['topic:things/${thing.name}/state/#'],
    },
  ];
  expect((await server.owner.post('/v1/policies', { name: 'sayable', statements })).status).toBe(201);
  await server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['sayable'] });
}

/** Connects a device by its name and token. */
export const connectTo = ({ port, protocolVersion }: Tried, device: Device, more: object = {}): Promise<MqttClient> =>
  connectAsync(
    `mqtt://127.0.0.1:${port}`,
    {
      username: device.name,
      password: tokenOf(device),
      clientId: device.name,
      clean: true,
      protocolVersion,
      reconnectPeriod: 0,
      connectTimeout: patienceMs,
      ...more,
    },
    false,
  );

const closed = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => (client.connected ? client.once('close', () => resolve()) : resolve()));

export const isRefused = async (tried: Tried, device: Device, more: object = {}): Promise<void> => {
  await expect(connectTo(tried, device, more), `${device.name} ${JSON.stringify(more)}`).rejects.toThrow();
};

/** Whether a filter was granted, rather than refused or the session ended. */
async function subscribes(tried: Tried, device: Device, filter: string): Promise<boolean> {
  const client = await connectTo(tried, device);
  client.on('error', () => {});
  const granted = client.subscribeAsync(filter, { qos: 1 }).then(
    (grants) => grants.length > 0 && grants.every(({ qos }) => qos < 128),
    () => false,
  );
  const isGranted = await Promise.race([granted, closed(client).then(() => false)]);
  client.end(true);
  return isGranted;
}

/** Sends something; what comes of it is the witness's to say. */
async function publish(tried: Tried, device: Device, topic: string): Promise<void> {
  const client = await connectTo(tried, device);
  client.on('error', () => {});
  const sent = client.publishAsync(topic, 'x', { qos: 1 }).catch(() => {});
  const anHour = tried.protocolVersion === 5 ? sent : Promise.race([sent, closed(client)]);
  // A broker that refuses a publication of MQTT 3.1.1 may just not answer.
  await Promise.race([anHour, new Promise((resolve) => setTimeout(resolve, 1000))]);
  client.end(true);
}

/** Which of some topics the witness hears when each is published by its device; the last must be one that it hears. */
async function heardOf(tried: Tried, sent: [Device, string][]): Promise<string[]> {
  const client = await connectTo(tried, tried.witness);
  const heard: string[] = [];
  const last = sent.at(-1)![1];
  const done = new Promise<void>((resolve) =>
    client.on('message', (topic) => {
      heard.push(topic);
      if (topic === last) resolve();
    }),
  );
  await client.subscribeAsync('things/#', { qos: 1 });
  for (const [device, topic] of sent) await publish(tried, device, topic);
  await done;
  client.end(true);
  return heard;
}

/** The table that every broker is held to. One that `keepsRights` is told all rights of a session when it begins. */
export function tryBroker(of: () => Tried, { keepsRights = false }: { keepsRights?: boolean } = {}): void {
  it('lets a device in by its token, to its own topics', async () => {
    const tried = of();
    const client = await connectTo(tried, tried.devices.device);
    const heard = new Promise<string>((resolve) => client.once('message', (topic) => resolve(topic)));
    await client.subscribeAsync('things/pump-1/state/#', { qos: 1 });
    await client.publishAsync('things/pump-1/state/a', 'x', { qos: 1 });
    expect(await heard).toBe('things/pump-1/state/a');
    client.end(true);
  });

  it('refuses the unknown, the revoked, the suspended, other names and client ids, and who comes out of hours', async () => {
    const tried = of();
    const { device, other, suspended, revoked } = tried.devices;
    await isRefused(tried, suspended);
    await isRefused(tried, revoked);
    await isRefused(tried, tried.late);
    await isRefused(tried, device, { password: 'x.y.z' });
    await isRefused(tried, device, { username: undefined, password: undefined });
    await isRefused(tried, device, { username: 'pump-2', clientId: 'pump-2' });
    await isRefused(tried, device, { clientId: 'pump-2' });
    await isRefused(tried, other, { password: tokenOf(device) });
  });

  it('refuses topics and filters of others, those that are denied, and filters wider than what may be received', async () => {
    const tried = of();
    const { device } = tried.devices;
    const topics = ['things/pump-2/state', 'things/pump-1/secret', 'things/pump-1/state'];
    expect(
      await heardOf(
        tried,
        topics.map((topic) => [device, topic]),
      ),
    ).toEqual(['things/pump-1/state']);
    for (const filter of ['#', 'things/#', 'things/pump-2/state', 'things/+/state', 'things/pump-1/#'])
      expect(await subscribes(tried, device, filter), filter).toBe(false);
    expect(await subscribes(tried, device, 'things/pump-1/state/#')).toBe(true);
  });

  it('refuses a suspended device at its next login', async () => {
    const tried = of();
    const device = await provision(tried.server, tried.devices.token, 'pump-5');
    (await connectTo(tried, device)).end(true);
    await tried.server.owner.post('/v1/things/pump-5/suspend');
    await isRefused(tried, device);
  });

  it.each<Weather>(['gone', 'slow', 'failing', 'redirecting', 'blank'])(
    'lets nobody in while Thingward is %s, and a session no further',
    async (weather) => {
      const tried = of();
      const { device } = tried.devices;
      const live = await connectTo(tried, device);
      live.on('error', () => {});
      tried.stage.become(weather);
      await isRefused(tried, tried.devices.other);
      const granted = live.subscribeAsync(`things/pump-1/${weather}`).then(
        (grants) => grants.length > 0 && grants.every(({ qos }) => qos < 128),
        () => false,
      );
      if (!keepsRights) expect(await Promise.race([granted, closed(live).then(() => false)])).toBe(false);
      live.end(true);
      tried.stage.become('fine');
      await expect
        .poll(
          () =>
            connectTo(tried, device).then(
              (client) => client.end(true) && true,
              () => false,
            ),
          {
            timeout: patienceMs,
          },
        )
        .toBe(true);
    },
  );
}
