import { describe, expect, it } from 'vitest';
import type { Broker } from '../../../src/reaper/brokers/broker.js';
import type { BrokerKind } from '../../../src/reaper/brokers/kinds.js';
import { anySignal, brokerOf, usersIn } from '../../support/brokers/adapters.js';
import { playRecorded, type Recorded } from '../../support/brokers/recorded.js';

const basic = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** Does something with an adapter against what was recorded. */
async function withRecorded<Result>(
  kind: BrokerKind,
  authorization: string,
  pairs: Recorded[],
  act: (broker: Broker) => Promise<Result>,
): Promise<Result> {
  const played = await playRecorded(authorization, pairs);
  const broker = brokerOf(kind, played.url, { username: 'key', password: 'secret' });
  try {
    const result = await act(broker);
    played.finish();
    return result;
  } finally {
    broker.close();
    played.stop();
  }
}

describe('EMQX, as its REST API documents itself', () => {
  const emqx = <Result>(pairs: Recorded[], act: (broker: Broker) => Promise<Result>) =>
    withRecorded('emqx', basic('key', 'secret'), pairs, act);
  const client = (clientid: string, username: string | null, port: number) => ({
    clientid,
    username,
    node: 'emqx@127.0.0.1',
    ip_address: '127.0.0.1',
    port,
    connected: true,
    connected_at: '2026-11-28T09:00:00.000+00:00',
    created_at: '2026-11-28T09:00:00.000+00:00',
    proto_name: 'MQTT',
    proto_ver: 5,
    keepalive: 60,
    subscriptions_cnt: 1,
    mqueue_max: 1000,
  });
  const page = (data: object[], hasnext = false, number = 1) => ({
    data,
    meta: { count: data.length, limit: 500, page: number, hasnext },
  });
  const listing = 'GET /api/v5/clients?conn_state=connected&limit=500&page=';
  const ofPump = {
    asks: `${listing}1&username=pump-1`,
    says: page([client('pump-1', 'pump-1', 1), client('b/1', 'pump-1', 2)]),
  };
  const bans = 'GET /api/v5/banned?limit=100&page=1&username=pump-1';
  const ban = (by: string) => ({
    data: [{ as: 'username', who: 'pump-1', by, reason: 'x', at: '2026-11-28T09:00:00+00:00', until: 'infinity' }],
    meta: { page: 1, limit: 100, count: 1, hasnext: false },
  });

  it('lists sessions page by page, those without a name too', async () => {
    const pairs = [
      {
        asks: `${listing}1`,
        says: { ...page([client('a', 'pump-1', 1)], true), meta: { count: 2, limit: 500, page: 1, hasnext: true } },
      },
      {
        asks: `${listing}2`,
        says: { ...page([client('c', null, 3)]), meta: { count: 2, limit: 500, page: 2, hasnext: false } },
      },
    ];
    expect(await emqx(pairs, usersIn)).toEqual(['pump-1', '']);
  });

  it('reads a listing again that changed meanwhile', async () => {
    const of = (count: number, number: number, hasnext: boolean) => ({
      asks: `${listing}${number}`,
      says: {
        data: [client(`c-${number}`, `pump-${number}`, number)],
        meta: { count, limit: 500, page: number, hasnext },
      },
    });
    const pairs = [of(2, 1, true), of(1, 2, false), of(2, 1, true), of(2, 2, false)];
    expect(await emqx(pairs, usersIn)).toEqual(['pump-1', 'pump-2']);
  });

  it('forgets what it allowed a user, and kicks all clients of the user at once', async () => {
    const pairs = [
      ofPump,
      { asks: 'DELETE /api/v5/clients/pump-1/authorization/cache', status: 204 },
      { asks: 'DELETE /api/v5/clients/b%2F1/authorization/cache', status: 404, says: { code: 'CLIENTID_NOT_FOUND' } },
      { asks: 'POST /api/v5/clients/kickout/bulk', sends: ['pump-1', 'b/1'], status: 204 },
    ];
    await emqx(pairs, (broker) => broker.end('pump-1', anySignal()));
    await emqx([{ ...ofPump, says: page([]) }], (broker) => broker.end('pump-1', anySignal()));
  });

  it('bans a user, whoever did before, and lifts its own bans alone', async () => {
    const until =
      /^\{"as":"username","who":"pump-1","by":"thingward","reason":"revoked","until":"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}$/;
    const bar = (status: number, says: unknown) =>
      emqx([{ asks: 'POST /api/v5/banned', sends: until, status, says }], (broker) =>
        broker.bar!('pump-1', 'revoked', anySignal()),
      );
    await bar(200, ban('thingward').data[0]);
    await bar(400, { code: 'ALREADY_EXISTS', message: '{}' });
    await expect(bar(400, { code: 'BAD_REQUEST', message: 'no' })).rejects.toThrow('refuses to ban');
    const lift = { asks: 'DELETE /api/v5/banned/username/pump-1', status: 204 };
    const admit = (broker: Broker) => broker.admit!('pump-1', anySignal());
    await emqx([{ asks: bans, says: ban('thingward') }, lift], admit);
    await emqx([{ asks: bans, says: ban('mgmt_api') }], admit);
    await emqx([{ asks: bans, says: page([]) }], admit);
  });

  it('says who answers, and what is wrong with an answer', async () => {
    const nodes = {
      asks: 'GET /api/v5/nodes',
      says: [{ node: 'emqx@127.0.0.1', version: '5.8.9', node_status: 'running' }],
    };
    const check = (broker: Broker) => broker.check(anySignal());
    expect(await emqx([nodes, { asks: 'GET /api/v5/clients?limit=1', says: page([]) }], check)).toBe(
      'EMQX 5.8.9 answers',
    );
    const no = { asks: 'GET /api/v5/nodes', status: 401, says: { code: 'BAD_API_KEY_OR_SECRET', message: 'no' } };
    await expect(emqx([no], check)).rejects.toThrow('401');
    await expect(emqx([{ ...nodes, says: {} }], check)).rejects.toThrow('cannot be read');
  });
});

describe('VerneMQ, as its HTTP API documents itself', () => {
  // The key is the user name, with no password.
  const verne = <Result>(pairs: Recorded[], act: (broker: Broker) => Promise<Result>) =>
    withRecorded('vernemq', basic('secret', ''), pairs, act);
  const columns = '--client_id&--user&--mountpoint&--peer_host&--peer_port&--session_started_at';
  const show = (where = '') =>
    `GET /api/v1/session/show?${columns}&--is_online=true${where}&--limit=100001&--rowtimeout=10000`;
  const row = (clientId: string, user: string, mountpoint = '') => ({
    user,
    peer_port: 50402,
    mountpoint,
    client_id: clientId,
    peer_host: '127.0.0.1',
    session_started_at: 1795942702552,
  });
  const table = (...rows: object[]) => ({ type: 'table', table: rows });

  it('lists who is online', async () => {
    expect(await verne([{ asks: show(), says: table(row('a', 'pump-1'), row('b', 'pump-2')) }], usersIn)).toEqual([
      'pump-1',
      'pump-2',
    ]);
    expect(await verne([{ asks: show(), says: table() }], usersIn)).toEqual([]);
  });

  it('ends each session of a user, at its mountpoint', async () => {
    const pairs = [
      { asks: show('&--user=pump-1'), says: table(row('mosq/q', 'pump-1'), row('b', 'pump-1', 'site-2')) },
      { asks: 'GET /api/v1/session/disconnect?client-id=mosq%2Fq', says: { text: 'Done', type: 'text' } },
      { asks: 'GET /api/v1/session/disconnect?client-id=b&--mountpoint=site-2', says: [] },
    ];
    await verne(pairs, (broker) => broker.end('pump-1', anySignal()));
  });

  it('asks about all where VerneMQ would take a name for a number', async () => {
    const pairs = [{ asks: show(), says: table(row('a', '0042'), row('b', 'pump-2')) }];
    expect((await verne(pairs, (broker) => broker.sessionsOf('0042', anySignal()))).map(({ user }) => user)).toEqual([
      '0042',
    ]);
  });

  it('sends no client id that would name other sessions, and believes no alert', async () => {
    const listed = (id: string) => ({ asks: show('&--user=pump-1'), says: table(row(id, 'pump-1')) });
    const end = (broker: Broker) => broker.end('pump-1', anySignal());
    await expect(verne([listed('x" OR "1"="1')], end)).rejects.toThrow('quotes');
    const alert = {
      asks: 'GET /api/v1/session/disconnect?client-id=a',
      says: { type: 'alert', alert: [{ type: 'text', text: 'no' }] },
    };
    await expect(verne([listed('a'), alert], end)).rejects.toThrow('did not end');
  });

  it('says who answers', async () => {
    const asks = `GET /api/v1/session/show?${columns}&--limit=1`;
    expect(await verne([{ asks, says: table() }], (broker) => broker.check(anySignal()))).toBe('VerneMQ answers');
    await expect(verne([{ asks, status: 401 }], (broker) => broker.check(anySignal()))).rejects.toThrow('401');
  });
});
