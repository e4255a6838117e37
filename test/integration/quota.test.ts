import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
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
    server = await startServer(kind, { THINGWARD_FAILED_CREDENTIALS_PER_MINUTE: '1000000' });
  });
  afterAll(async () => {
    connections.destroy();
    await server.stop();
  });

  // A connection for each call, which waits as long as the machine lets it wait.
  const connections = new Agent({ keepAlive: true });
  const provision = (token: string, body: object): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      request(`${server.url}/v1/provision`, { method: 'POST', agent: connections, headers }, (answer) => {
        text(answer).then(() => resolve(answer.statusCode!), reject);
      })
        .once('error', reject)
        .end(JSON.stringify(body));
    });

  it(`${rounds} rounds of ${calls} calls on maxUses ${maxUses}: exactly ${maxUses} each`, async () => {
    const csrs = Array.from({ length: calls }, () => csrPem());
    const granted: number[] = [];
    for (let round = 0; round < rounds; round++) {
      // A key lives on one thing of an account: each round has an account of its own.
      const { ownerKey } = (await server.owner.post('/v1/accounts', { name: `round-${round}` })).body;
      const owner = server.as(ownerKey);
      const { id, token } = await enroll({ owner }, { maxUses });
      const statuses = await Promise.all(csrs.map((csr, n) => provision(token, { thingName: `d-${n}`, csr })));
      const counts = { 201: 0, 401: 0, other: 0 };
      for (const status of statuses) counts[status === 201 ? 201 : status === 401 ? 401 : 'other']++;
      expect(counts).toEqual({ 201: maxUses, 401: calls - maxUses, other: 0 });
      expect((await owner.get(`/v1/enrollments/${id}`)).body.uses).toBe(maxUses);
      expect((await owner.get('/v1/things?limit=1000')).body.items).toHaveLength(maxUses);
      granted.push(counts[201]);
    }
    console.log(
      `quota race on ${kind}: rounds=${rounds} calls=${rounds * calls} granted per round=${[...new Set(granted)].join(',')}`,
    );
  });
});
