import { addSeconds } from '../clock.js';
import { sql, type Database } from '../db/client.js';
import type { Lineage } from '../log/head.js';
import { readRecent } from '../log/reader.js';
import type { PolicyVersion } from '../policy/compile.js';
import { memorySeconds, type SnapshotContents } from './snapshot.js';
import type { Segment } from './segment.js';

/** Everything that decisions are made from, as of one instant, and the place of that instant in the log. */
export function loadSnapshot(
  db: Database,
  at: Date,
): Promise<SnapshotContents & { epoch: string; lineage: Lineage; position: number }> {
  return db.$transaction(
    async (tx) => {
      const { epoch, lineage, head, entries } = await readRecent(tx, addSeconds(at, -memorySeconds), [
        'certificate',
        'release',
        'thing',
        'thing-changed',
      ]);
      const policies = await tx.$queryRaw<(PolicyVersion & { account: string })[]>(sql`
        SELECT p.account_name AS account, p.name, v.version, v.document FROM policies p
        JOIN policy_versions v ON v.account_name = p.account_name AND v.name = p.name AND v.version = p.active_version`);
      const segments = await tx.$queryRaw<(Segment & { account: string })[]>(sql`
        SELECT account_name AS account, name, cidr, allowed_protocols AS "allowedProtocols", traffic_policy AS "trafficPolicy"
        FROM segments`);
      return { epoch, lineage, position: head, policies, segments, recent: entries };
    },
    { isolationLevel: 'RepeatableRead' },
  );
}
