import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createClient } from '../../support/client.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { enroll } from '../../support/fleet.js';
import { startProgram } from '../../support/program.js';
import { seeded } from '../../support/seeded.js';
import { startServer, type TestServer } from '../../support/server.js';

// `npm run campaigns` has 100,000 things and more kills.
const things = Number(process.env['CAMPAIGN_THINGS'] ?? 2500);
const kills = Number(process.env['CAMPAIGN_KILLS'] ?? 2);
/** One thing in so many has no room for another attribute: for those the campaign fails. */
const failsOneIn = 25;

type Progress = { id: string; status: string; reasonCode?: string; wave: number; counts: Record<string, number> };
type Counts = Record<
  'right' | 'untouched' | 'wrong' | 'audited' | 'auditedTwice' | 'logged' | 'members' | 'settled',
  number
>;

describe.each(databaseKinds)('a campaign that is killed on %s', (kind) => {
  it(`pauses for failures, goes on when resumed, and does each of ${things} things once`, async () => {
    const random = seeded('campaign kills');
    const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
    const { settings, remove } = await freshDatabase(kind);
    const common = { ...settings, THINGWARD_OWNER_KEY: ownerKey };
    const inServer = async <Result>(work: (server: TestServer) => Promise<Result>): Promise<Result> => {
      const server = await startServer(kind, common);
      return work(server).finally(() => server.stop());
    };
    await inServer(seed);
    const port = new URL(await inServer(async ({ url }) => url)).port;
    const start = () => startProgram({ ...common, THINGWARD_PORT: port });
    let program = await start();
    const owner = createClient(program.url, ownerKey);
    // While it is down, nobody answers.
    const read = async (id: string): Promise<Progress> => (await owner.get(`/v1/campaigns/${id}`)).body as Progress;
    const settledOf = ({ counts }: Progress) => counts['done']! + counts['failed']! + counts['skipped']!;
    try {
      const began = performance.now();
      const made = await owner.post('/v1/campaigns', {
        query: { attributes: { fleet: 'big' } },
        do: 'set-attributes',
        attributes: { lot: '7' },
        pauseOver: { failures: '2 %' },
        expectedCount: things,
      });
      expect(made.status, made.text).toBe(201);
      const id = made.body.id as string;
      let [pauses, killed, amid] = [0, 0, 0];
      for (let present = await read(id); present.status !== 'done'; present = await read(id)) {
        if (present.status === 'paused') {
          expect(present.reasonCode).toBe('failures');
          pauses++;
          expect((await owner.post(`/v1/campaigns/${id}/resume`)).status).toBe(200);
        }
        const mayKill = killed < kills && settledOf(present) >= (things / 10) * (1 + (8 * killed) / kills);
        if (!mayKill) {
          await sleep(20);
          continue;
        }
        await sleep(random.below(60));
        await program.kill('SIGKILL');
        killed++;
        program = await start();
        const after = await read(id);
        if (after.status === 'running' && after.counts['waiting']! > 0) amid++;
      }
      const last = await read(id);
      await program.kill();
      const counts = await inServer((server) => countAll(server, id));
      const failing = Math.floor(things / failsOneIn);
      console.log(
        `campaign on ${kind}: ${things} things in ${Math.round((performance.now() - began) / 1000)} s, ${pauses} pauses for failures, ` +
          `${killed} kills (${amid} amid its work); ${counts.right} done once, ${counts.untouched} failed and untouched, ` +
          `${counts.wrong} otherwise, ${counts.audited} in the audit, ${counts.auditedTwice} twice, ${counts.logged} in the log`,
      );
      expect(killed).toBe(kills);
      expect(pauses).toBeGreaterThan(0);
      expect(last.counts).toEqual({ waiting: 0, asked: 0, done: things - failing, failed: failing, skipped: 0 });
      expect(counts).toEqual({
        right: things - failing,
        untouched: failing,
        wrong: 0,
        audited: things - failing,
        auditedTwice: 0,
        logged: things - failing,
        members: things,
        settled: things,
      });
    } finally {
      await program.kill('SIGKILL');
      remove();
    }
  });
});

/** Things with a generation of 1; one in some has all the attributes that a thing may have. */
async function seed(server: TestServer): Promise<void> {
  const { id } = await enroll(server, { maxUses: 1_000_000 });
  await server.database.client.$executeRaw`
    INSERT INTO things (id, account_name, name, attributes, policies, enrollment_id, created_at)
    SELECT gen_random_uuid(), 'default', 'c-' || n, CASE WHEN n % ${failsOneIn}::int = 0
        THEN (SELECT jsonb_object_agg('a' || a, 'x') FROM generate_series(1, 49) AS a) ELSE '{}' END || '{"fleet": "big"}', '{sensor}', ${id}::uuid, now()
    FROM generate_series(1, ${things}::int) AS n`;
  await server.database.client.$executeRaw`ANALYZE things`;
}

async function countAll({ database: { client } }: TestServer, id: string): Promise<Counts> {
  const [row] = await client.$queryRaw<Counts[]>`
    WITH a AS (SELECT target, count(*) AS n FROM audit_entries WHERE action = 'thing.change-attributes' AND detail->>'campaign' = ${id} GROUP BY target),
    t AS (SELECT attributes ->> 'lot' AS lot, gen FROM things WHERE attributes ->> 'fleet' = 'big')
    SELECT (SELECT count(*)::int FROM t WHERE lot = '7' AND gen = 2) AS "right",
      (SELECT count(*)::int FROM t WHERE lot IS NULL AND gen = 1) AS untouched,
      (SELECT count(*)::int FROM t WHERE NOT (lot IS NOT DISTINCT FROM '7' AND gen = 2) AND NOT (lot IS NULL AND gen = 1)) AS wrong,
      (SELECT count(*)::int FROM a) AS audited, (SELECT count(*)::int FROM a WHERE n > 1) AS "auditedTwice",
      (SELECT count(*)::int FROM log_entries WHERE type = 'thing-changed') AS logged,
      (SELECT count(*)::int FROM campaign_members WHERE campaign_id = ${id}::uuid) AS members,
      (SELECT count(*)::int FROM campaign_members WHERE campaign_id = ${id}::uuid AND state IN ('done', 'failed')) AS settled`;
  return row!;
}
