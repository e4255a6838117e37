import type { Client } from '../client.js';
import type { DatabaseKind } from '../databases/databases.js';
import { openEstStage } from '../est/stage.js';
import { enroll } from '../fleet.js';

const ndjson = { 'content-type': 'application/x-ndjson' };

/** Rows as an upload has them, one a line. */
export const linesOf = (rows: object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

export type ExpectingStage = Awaited<ReturnType<typeof openExpecting>>;

/** A server with two policies, a segment, and the token of an enrollment that admits expected things alone. */
export async function openExpecting(kind: DatabaseKind) {
  const stage = await openEstStage(kind, { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
  const { owner } = stage.server;
  for (const name of ['alpha', 'beta'])
    await owner.post('/v1/policies', {
      name,
      statements: [{ id: 'a', effect: 'allow', actions: ['publish'], resources: ['topic:a'] }],
    });
  await owner.post('/v1/segments', { name: 'floor-1', cidr: '10.0.0.0/8' });
  const { token } = await enroll(stage.server, {
    expectedOnly: true,
    policies: ['alpha'],
    attributes: { site: 'oslo' },
    deviceAttributes: ['model'],
  });
  return {
    stage,
    token,
    upload: (rows: object[], client: Client = owner) =>
      client.send('POST', '/v1/things/expected', linesOf(rows), ndjson),
    get: async (name: string) => (await owner.get(`/v1/things/expected/${name}`)).body,
  };
}
