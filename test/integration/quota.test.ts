import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csrPem } from '../support/csr.js';
import { databaseKinds } from '../support/databases.js';
import { enroll } from '../support/fleet.js';
import { startServer, type TestServer } from '../support/server.js';

const rounds = 20;
const calls = 1000;
const maxUses = 100;

describe.each(databaseKinds)('a quota under a thousand parallel calls on %s', (kind) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(() => server.stop());

  it(
    `${rounds} rounds of ${calls} calls on maxUses ${maxUses}: exactly ${maxUses} each`,
    { timeout: 600_000 },
    async () => {
      const csrs = Array.from({ length: calls }, () => csrPem());
      const granted: number[] = [];
      for (let round = 0; round < rounds; round++) {
        // A key lives on one thing of an account: each round has an account of its own.
        const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `round-${round}` })).body;
        const owner = server.as(ownerKey);
        const { id, token } = await enroll({ owner }, { maxUses });
        const agent = server.as(token);
        const answers = await Promise.all(
          csrs.map((csr, n) => agent.post('/v1/provision', { thingName: `d-${n}`, csr })),
        );
        const counts = { 201: 0, 401: 0, other: 0 };
        for (const { status } of answers) counts[status === 201 ? 201 : status === 401 ? 401 : 'other']++;
        expect(counts).toEqual({ 201: maxUses, 401: calls - maxUses, other: 0 });
        expect((await owner.get(`/v1/enrollments/${id}`)).body.uses).toBe(maxUses);
        expect((await owner.get('/v1/things?limit=1000')).body.items).toHaveLength(maxUses);
        granted.push(counts[201]);
      }
      console.log(
        `quota race on ${kind}: rounds=${rounds} calls=${rounds * calls} granted per round=${[...new Set(granted)].join(',')}`,
      );
    },
  );
});
