import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRecordStore } from '../../../src/decisions/store.js';
import { appendLog, keepAfterExpiryMs, pruneLog } from '../../../src/log/append.js';
import { tokenFamilyEntry } from '../../../src/log/builders.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { startServer, type TestServer } from '../../support/server.js';

describe.each(databaseKinds)('pruning on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
    await server.owner.post('/v1/accounts', { name: 'acme' });
  });
  afterAll(() => server.stop());

  it('cuts the log up to the first entry that still matters, in chunks of any size, and is told in the head', async () => {
    const { client } = server.database;
    const entry = tokenFamilyEntry({ account: 'default', thingName: 'pump' }, 'f1');
    const day = 86_400_000;
    const future = new Date(server.now().getTime() + 100 * day);
    const append = (at: Date, count: number) =>
      client.$transaction((tx) => appendLog(tx, at, Array<typeof entry>(count).fill(entry))).then(Number);
    const kept = async () =>
      (await client.logEntry.findMany()).map(({ position }) => Number(position)).sort((a, b) => a - b);
    const head = async () => Number((await client.logHead.findFirstOrThrow()).pruned);
    const old = await append(server.now(), 7);
    const afterAllOld = new Date(server.now().getTime() + keepAfterExpiryMs + 1);
    const first = await append(future, 1);
    await append(server.now(), 2);
    // What comes after an entry that matters stays, old as it is.
    for (const chunk of [3, 1000]) {
      expect(await pruneLog(client, afterAllOld, chunk)).toBe(old);
      expect([await kept(), await head()]).toEqual([[first, first + 1, first + 2], old]);
    }
    const long = new Date(future.getTime() + keepAfterExpiryMs + 1);
    expect([await pruneLog(client, long, 2), await kept(), await head()]).toEqual([first + 2, [], first + 2]);
    expect(await append(server.now(), 1)).toBe(first + 3);
  });

  it('keeps the newest decisions of each account', async () => {
    const records = createRecordStore(server.database.client);
    const decision = {
      at: server.now(),
      thingName: 'pump',
      action: 'mqtt:Publish',
      context: {},
      decision: 'deny' as const,
      reason: 'no-match',
      policy: null,
    };
    for (const account of ['acme', 'default'])
      await records.insert(
        Array.from({ length: account === 'acme' ? 5 : 2 }, (_, n) => ({
          ...decision,
          account,
          resource: `topic:${n}`,
        })),
      );
    await records.prune(3);
    const left = async (account: string) =>
      (await records.list(account, {}, undefined, 10)).map(({ resource }) => resource);
    expect(await left('acme')).toEqual(['topic:4', 'topic:3', 'topic:2']);
    expect(await left('default')).toEqual(['topic:1', 'topic:0']);
  });
});
