import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { appendLog } from '../../../src/log/append.js';
import { tokenFamilyEntry } from '../../../src/log/builders.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { seeded } from '../../support/seeded.js';
import { startServer } from '../../support/server.js';

// `npm run feed-writers` sets the long form.
const entries = Number(process.env['FEED_ENTRIES'] ?? 2000);
const writers = 64;
const readers = 8;

type Entry = { position: number; family?: string };

describe.skipIf(!databaseKinds.includes('postgresql'))(
  'a feed that 64 write with delays and rollbacks, and 8 read',
  () => {
    it('misses nothing, repeats nothing and has one order for all', { timeout: 900_000 + entries * 50 }, async () => {
      const random = seeded('feed writers');
      const server = await startServer('postgresql', { DATABASE_POOL_SIZE: '64' });
      try {
        const { client } = server.database;
        const start = (await server.owner.get('/v1/revocations?limit=1000')).body.cursor as string;
        const committed = new Set<string>();
        let [given, rolledBack, running] = [0, 0, true];

        const write = async () => {
          while (given < entries) {
            const families = Array.from({ length: random.between(1, 4) }, () => `family-${given++}`);
            const isTaken = random.below(5) > 0;
            // All of them wait for one row: on a slow machine for minutes.
            const patience = { maxWait: 800_000, timeout: 800_000 };
            await client
              .$transaction(async (tx) => {
                await sleep(random.below(5));
                await appendLog(
                  tx,
                  new Date(),
                  families.map((family) => tokenFamilyEntry({ account: 'default', thingName: 'written' }, family)),
                );
                await sleep(random.below(3));
                if (!isTaken) throw new Error('taken back');
              }, patience)
              .then(
                () => families.forEach((family) => committed.add(family)),
                (error: Error) => {
                  if (error.message !== 'taken back') throw error;
                  rolledBack++;
                },
              );
          }
        };

        const read = async (): Promise<Entry[]> => {
          const seen: Entry[] = [];
          for (let cursor = start; ;) {
            const wasRunning = running;
            const { body } = await server.owner.get(`/v1/revocations?after=${cursor}&limit=${random.between(1, 200)}`);
            seen.push(...(body.entries as Entry[]));
            cursor = body.cursor as string;
            if (!wasRunning && body.next === undefined) return seen;
            await sleep(random.below(10));
          }
        };

        const reading = Promise.all(Array.from({ length: readers }, read));
        await Promise.all(Array.from({ length: writers }, write)).finally(() => (running = false));
        const seen = await reading;
        for (const each of seen) {
          expect(each).toEqual(seen[0]);
          const positions = each.map(({ position }) => position);
          expect(positions).toEqual([...positions].sort((a, b) => a - b));
          const families = each.map(({ family }) => family!);
          expect([families.length, new Set(families)]).toEqual([committed.size, committed]);
        }
        console.log(
          `feed: writers=${writers} readers=${readers} entries=${committed.size} rolledBack=${rolledBack} missed=0 twice=0`,
        );
        expect(rolledBack).toBeGreaterThan(0);
      } finally {
        await server.stop();
      }
    });
  },
);
