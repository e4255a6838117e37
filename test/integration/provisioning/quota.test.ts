import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csrPem } from '../../support/pki/csr.js';
import { databaseKinds, type DatabaseKind } from '../../support/databases/databases.js';
import { enroll } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

// The embedded database takes one transaction after another: what could go wrong there goes wrong in the first round.
// `npm run quota` sets QUOTA_ROUNDS for the long form on both.
const rounds = { embedded: 2, postgresql: 6 };
const roundsOn = (kind: DatabaseKind): number => Number(process.env['QUOTA_ROUNDS'] ?? rounds[kind]);
const calls = 1000;
const maxUses = 100;

describe.each(databaseKinds)('a quota under a thousand parallel calls on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '1000000' });
  });
  afterAll(() => server.stop());

  it(`${roundsOn(kind)} rounds of ${calls} calls on maxUses ${maxUses}: exactly ${maxUses} each`, async () => {
    const csrs = Array.from({ length: calls }, () => csrPem());
    const granted: number[] = [];
    for (let round = 0; round < roundsOn(kind); round++) {
      // A key lives on one thing of an account: each round has an account of its own.
      const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `round-${round}` })).body;
      const owner = server.as(ownerKey);
      const { id, token } = await enroll({ owner }, { maxUses });
      // Without connections: how many of them a machine opens at once, and how long they stay, is another question.
      const device = server.direct(token);
      const ask = (csr: string, n: number) => device.post('/v1/provision', { thingName: `d-${n}`, csr });
      const answers = await Promise.all(csrs.map(ask));
      const counts = { 201: 0, 401: 0, other: 0 };
      for (const { status } of answers) counts[status === 201 ? 201 : status === 401 ? 401 : 'other']++;
      expect(counts).toEqual({ 201: maxUses, 401: calls - maxUses, other: 0 });
      expect((await owner.get(`/v1/enrollments/${id}`)).body.uses).toBe(maxUses);
      expect((await owner.get('/v1/things?limit=1000')).body.items).toHaveLength(maxUses);
      granted.push(counts[201]);
    }
    console.log(
      `quota race on ${kind}: rounds=${roundsOn(kind)} calls=${roundsOn(kind) * calls} granted per round=${[...new Set(granted)].join(',')}`,
    );
  });
});
