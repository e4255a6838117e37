import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Reaper } from '../../../src/reaper/reaper.js';
import { describeWith } from '../../support/programs.js';
import { rabbitmqPrograms, startRabbitmq, type RabbitmqNode } from '../../support/reaper/rabbitmq.js';
import {
  brokerSocketOf,
  createReaperStage,
  eventually,
  type LiveClient,
  type ReaperStage,
} from '../../support/reaper/stage.js';

const validity = 8;

// RabbitMQ remembers a yes for as long as the settings say: devices that come back at once get in by it.
describeWith([...rabbitmqPrograms, 'openssl'], 'the reaper at RabbitMQ', () => {
  let stage: ReaperStage;
  let node: RabbitmqNode;
  let reaper: Reaper;
  let settings: string;

  beforeAll(async () => {
    stage = await createReaperStage();
    const guided = stage
      .guide('rabbitmq', 'rabbitmq', 0, stage.proxy)
      .replace(
        'auth_backends.1 = http',
        'auth_backends.1 = internal\nauth_backends.2 = cache\nauth_cache.cached_backend = http',
      )
      .replace(/^mqtt\..*\n/gm, '');
    node = await startRabbitmq(stage, `${guided}\nauth_cache.cache_ttl = ${validity * 1000}\n`, [
      'rabbitmq_auth_backend_http',
      'rabbitmq_auth_backend_cache',
    ]);
    settings = stage.settingsOf('berlin', [
      {
        name: 'rabbit',
        kind: 'rabbitmq',
        url: node.url,
        username: 'guest',
        passwordEnv: 'PW',
        validity: `${validity}s`,
      },
    ]);
  });
  afterAll(async () => {
    // Its number is in a file of the stage.
    await node?.kill();
    await stage?.stop();
  });

  const start = async (): Promise<void> => {
    reaper = await stage.startReaper(settings, { PW: 'guest' });
    await eventually(
      () => stage.brokersOf(reaper),
      ({ rabbit }) => rabbit === 'enforcing',
    );
  };
  const enforced = (position: number) =>
    eventually(
      () => stage.enforcedBy(position),
      (edges) => edges.has('berlin.rabbit'),
    );
  const joined = async (name: string, reconnects = false, wide = false): Promise<LiveClient> =>
    stage.connect(await stage.device(name, wide), node.port, reconnects);
  /** Waits until the reaper has seen these too, and knows what they may do. */
  const things = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${reaper.monitorPort!}/metrics`)).text();
    return Number(/thingward_reaper_things\{broker="rabbit"\} (\d+)/.exec(text)?.[1]);
  };
  const known = async (names: string[], connect: () => Promise<LiveClient[]>): Promise<LiveClient[]> => {
    const before = await things();
    const clients = await connect();
    await eventually(things, (count) => count >= before + names.length);
    return clients;
  };

  it('ends the session of a revoked device, then confirms, and leaves the others', async () => {
    const [victim, other] = [await joined('pump-1'), await joined('pump-2')];
    await start();
    const socket = brokerSocketOf(victim.client);
    const at = performance.now();
    const { position } = (await stage.must(
      stage.server.owner.post('/v1/things/pump-1/revoke', { reason: 'keyCompromise' }),
    )) as { position: number };
    await eventually(
      () => victim.isIn(),
      (isIn) => !isIn,
    );
    const goneAfter = Math.round(performance.now() - at);
    await enforced(position);
    const confirmedAfter = Math.round(performance.now() - at);
    expect(stage.falseClaims(position, [socket])).toEqual([]);
    expect(stage.relay.claims().some((claim) => claim.position >= position)).toBe(true);
    expect([other.isIn(), other.times()]).toEqual([true, 1]);
    expect(confirmedAfter).toBeGreaterThanOrEqual(validity * 1000);
    expect(stage.lines.filter((line) => line.includes('session ended'))).toHaveLength(1);
    console.info(`revoked: gone after ${goneAfter} ms, confirmed after ${confirmedAfter} ms`);
    other.client.end(true);
  });

  it('ends again who comes back by an answer that the broker remembers', async () => {
    const [victim] = (await known(['pump-3'], async () => [await joined('pump-3', true)])) as [LiveClient];
    // The broker asks once more, and remembers that.
    victim.client.stream.destroy();
    await eventually(
      () => victim.times(),
      (times) => times > 1,
    );
    const { position } = (await stage.must(
      stage.server.owner.post('/v1/things/pump-3/revoke', { reason: 'keyCompromise' }),
    )) as { position: number };
    await enforced(position);
    expect(victim.times()).toBeGreaterThan(2);
    expect(victim.isIn()).toBe(false);
    expect(stage.lines.filter((line) => /session ended.*pump-3/.test(line)).length).toBe(victim.times() - 1);
    console.info(`it came back ${victim.times() - 2} times, and was ended each time`);
    victim.client.end(true);
  });

  it('ends the session of a suspended device, and leaves it alone once it is resumed', async () => {
    const [victim] = (await known(['pump-4'], async () => [await joined('pump-4', true)])) as [LiveClient];
    const { position } = (await stage.must(stage.server.owner.post('/v1/things/pump-4/suspend'))) as {
      position: number;
    };
    await enforced(position);
    const resumed = (await stage.must(stage.server.owner.post('/v1/things/pump-4/resume'))) as { position: number };
    await enforced(resumed.position);
    victim.client.end(true);
  });

  it('ends sessions whose rights a policy no longer gives, and no others', async () => {
    const [victim, other] = (await known(['pump-5', 'pump-6'], async () => [
      await joined('pump-5', true, true),
      await joined('pump-6', true),
    ])) as [LiveClient, LiveClient];
    const [socket, ended] = [brokerSocketOf(victim.client), victim.times()];
    const less = [{ id: 'alarms', effect: 'allow', actions: ['publish'], resources: ['topic:alarms/none'] }];
    await stage.must(stage.server.owner.post('/v1/policies/extra/versions', { statements: less }));
    const made = await stage.must(stage.server.owner.post('/v1/policies/extra/activate', { version: 2 }));
    const position = Number(made['position'] ?? String(made['cursor']).split(':')[1]);
    await enforced(position);
    expect(stage.falseClaims(position, [socket])).toEqual([]);
    expect(victim.times()).toBeGreaterThan(ended);
    expect([other.isIn(), other.times()]).toEqual([true, 1]);
    for (const each of [victim, other]) each.client.end(true);
  });

  it('does not confirm while the broker is away, and does once it is back', async () => {
    await node.kill();
    await stage.device('pump-7');
    const { position } = (await stage.must(stage.server.owner.post('/v1/things/pump-7/suspend'))) as {
      position: number;
    };
    await eventually(
      () => stage.brokersOf(reaper),
      ({ rabbit }) => rabbit === 'unreachable',
    );
    const { body } = await stage.server.owner.get(`/v1/revocations/${position}`);
    expect(body.enforced).toBe(false);
    expect(await stage.enforcedBy(position)).toEqual(new Map());
    await eventually(
      async () => (await stage.server.owner.get('/v1/proxies')).body.items as { name: string; stale: boolean }[],
      (items) => items.some(({ name, stale }) => name === 'berlin.rabbit' && stale),
    );
    expect((await stage.server.owner.get(`/v1/revocations/${position}`)).body.enforced).toBe(false);
    await node.start();
    await enforced(position);
    expect(stage.lines.filter((line) => line.includes('the broker cannot be reached'))).toHaveLength(1);
    expect(stage.lines.filter((line) => line.includes('the broker is back'))).toHaveLength(1);
  });

  it('compares after a restart what lives with what was revoked meanwhile', async () => {
    const [victim, other] = (await known(['pump-8', 'pump-9'], async () => [
      await joined('pump-8'),
      await joined('pump-9'),
    ])) as [LiveClient, LiveClient];
    await reaper.close();
    const { position } = (await stage.must(
      stage.server.owner.post('/v1/things/pump-8/revoke', { reason: 'keyCompromise' }),
    )) as { position: number };
    expect(victim.isIn()).toBe(true);
    const socket = brokerSocketOf(victim.client);
    await start();
    await enforced(position);
    expect([victim.isIn(), other.isIn()]).toEqual([false, true]);
    expect(stage.falseClaims(position, [socket])).toEqual([]);
  });
});
