import mqtt from 'mqtt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/edge/stage.js';
import { startCommandRelay } from '../../support/gateway/command-relay.js';
import { createCommandStage, type CommandStage } from '../../support/gateway/command-stage.js';
import { describeWith } from '../../support/programs.js';

const acknowledged = () => ({ status: 'acknowledged' });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describeWith(['mosquitto'], 'commands through edges and Mosquitto', () => {
  let stage: CommandStage;
  let edge: Awaited<ReturnType<CommandStage['startEdge']>>;

  beforeAll(async () => {
    stage = await createCommandStage();
    edge = await stage.startEdge();
  });
  afterAll(() => stage.stop());

  const open = (name: string, options = {}) => stage.open(name, edge.portOf(0), options);

  it('a command reaches its device once, at once, and its answer comes back', async () => {
    const name = await stage.addThing();
    const got = await stage.obey(name, await open(name), () => ({ status: 'acknowledged', uptime: 3 }));
    const first = await stage.send(name, { name: 'ping' });
    await stage.until(name, first.id, 'acknowledged');
    const began = performance.now();
    const { id, status } = await stage.send(name, { name: 'reboot', payload: { delay: 5 }, expiresIn: 60 });
    expect(status).toBe('queued');
    const done = await stage.until(name, id, 'acknowledged');
    const ms = Math.round(performance.now() - began);
    console.log(`from POST to acknowledged: ${ms} ms`);
    expect(ms).toBeLessThan(5000);
    expect(done).toMatchObject({ thingName: name, name: 'reboot', result: { status: 'acknowledged', uptime: 3 } });
    expect(got.slice(1)).toEqual([
      {
        topic: `default/${name}/commands/reboot`,
        message: { id, name: 'reboot', payload: { delay: 5 }, expiresAt: expect.any(String) },
      },
    ]);
  });

  it('a command for a device that is away is sent when its session opens and it subscribes', async () => {
    const name = await stage.addThing();
    const first = await stage.send(name, { name: 'one' });
    const second = await stage.send(name, { name: 'two', payload: [1] });
    const client = await open(name, { protocolVersion: 5 });
    await client.subscribeAsync(`default/${name}/commands/two`, { qos: 1 });
    // It takes the second alone.
    await stage.until(name, second.id, 'delivered');
    expect((await stage.read(name, first.id)).status).toBe('queued');
    const got = await stage.obey(name, client, () => ({ status: 'failed', why: 'busy' }));
    expect(await stage.until(name, first.id, 'failed')).toMatchObject({ result: { status: 'failed', why: 'busy' } });
    expect(got.map(({ message }) => message.name)).toEqual(['one']);
  });

  it('what a policy denies is not sent, and says so; a suspended thing gets nothing', async () => {
    const name = await stage.addThing();
    const got = await stage.obey(name, await open(name), () => undefined);
    const denied = await stage.send(name, { name: 'erase' });
    expect(await stage.until(name, denied.id, 'failed')).toMatchObject({ reason: 'denied: no-matching-statement' });
    const { id } = await stage.send(name, { name: 'ping' });
    await stage.until(name, id, 'delivered');
    await eventually(
      () => got.length,
      (count) => count === 1,
    );
    expect(got[0]!.message.name).toBe('ping');
    expect((await stage.server.owner.post(`/v1/things/${name}/suspend`)).status).toBeLessThan(300);
    expect((await stage.server.owner.post(`/v1/things/${name}/commands`, { name: 'ping' })).status).toBe(403);
  });

  it('only the thing itself answers: not another, not the broker, and no nonsense', async () => {
    const [name, other] = [await stage.addThing(), await stage.addThing()];
    const client = await open(name, { protocolVersion: 5 });
    await client.subscribeAsync(`default/${name}/commands/+`, { qos: 1 });
    const { id } = await stage.send(name, { name: 'reboot' });
    await stage.until(name, id, 'delivered');
    const answer = JSON.stringify({ status: 'acknowledged' });
    const topic = `default/${name}/commands/reboot/${id}/result`;
    const stranger = await open(other, { protocolVersion: 5 });
    await expect(stranger.publishAsync(topic, answer, { qos: 1 })).rejects.toThrow();
    await stranger.publishAsync(`default/${other}/commands/reboot/${id}/result`, answer, { qos: 1 });
    const direct = await mqtt.connectAsync(stage.url, { reconnectPeriod: 0 });
    await direct.publishAsync(topic, answer, { qos: 1 });
    direct.end(true);
    for (const nonsense of ['', '{', 'null', '[]', '{"status":"delivered"}', '"acknowledged"', 'x'.repeat(70_000)])
      await client.publishAsync(topic, nonsense, { qos: 1 });
    // Other ids, many of them, and texts that the control plane refuses: they delay nobody, and nobody's answer is lost with them.
    for (let nth = 0; nth < 50; nth++)
      await client.publishAsync(
        `default/${name}/commands/reboot/00000000-0000-4000-8000-0000000000${10 + nth}/result`,
        '{"status":"failed","why":"\\u0000","__proto__":{"a":1}}',
        { qos: 1 },
      );
    await pause(500);
    expect((await stage.read(name, id)).status).toBe('delivered');
    await client.publishAsync(topic, '{"status":"failed","why":"\\u0000"}', { qos: 1 });
    const done = await stage.until(name, id, 'failed');
    expect(done.result).toBeUndefined();
  });

  it('a session that the broker keeps gets what nobody told this edge that it subscribes to', async () => {
    const name = await stage.addThing();
    const first = await open(name, { clean: false });
    await stage.obey(name, first, acknowledged);
    await first.endAsync();
    const { id } = await stage.send(name, { name: 'reboot' });
    const again = await open(name, { clean: false });
    await eventually(
      () => stage.read(name, id),
      ({ status }) => status === 'delivered',
    );
    again.end(true);
  });

  it('while the broker is away commands wait, and are sent when it is back', async () => {
    const relay = await startCommandRelay(stage.url);
    const other = await stage.startEdge({ gateway: { commands: { url: relay.url } } });
    const name = await stage.addThing();
    const got = await stage.obey(name, await stage.open(name, other.portOf(0)), acknowledged);
    const before = await stage.send(name, { name: 'one' });
    await stage.until(name, before.id, 'acknowledged');
    relay.cut();
    const { id } = await stage.send(name, { name: 'two' });
    await pause(1500);
    expect(await stage.read(name, id)).not.toHaveProperty('claimedAt');
    relay.mend();
    await stage.until(name, id, 'acknowledged');
    expect(got.map(({ message }) => message.id)).toEqual([before.id, id]);
    await relay.stop();
  });

  it('what the broker has not acknowledged when the connection breaks is never sent again', async () => {
    const relay = await startCommandRelay(stage.url);
    const other = await stage.startEdge({ gateway: { commands: { url: relay.url } } });
    const [silent, talking] = [await stage.addThing(), await stage.addThing()];
    const port = other.portOf(0);
    const heard = await stage.obey(silent, await stage.open(silent, port), () => undefined);
    const got = await stage.obey(talking, await stage.open(talking, port), acknowledged);
    const before = await stage.send(talking, { name: 'one' });
    await stage.until(talking, before.id, 'acknowledged');
    relay.swallow();
    const [lost, answered] = [
      await stage.send(silent, { name: 'one', expiresIn: 4 }),
      await stage.send(talking, { name: 'two' }),
    ];
    await stage.until(talking, answered.id, 'acknowledged');
    await eventually(
      () => heard.length,
      (count) => count === 1,
    );
    relay.cut();
    relay.mend();
    const after = await stage.send(talking, { name: 'ping' });
    await stage.until(talking, after.id, 'acknowledged');
    await stage.until(silent, lost.id, 'unknown');
    expect(heard).toHaveLength(1);
    expect(got.map(({ message }) => message.id)).toEqual([before.id, answered.id, after.id]);
    await relay.stop();
  });
});
