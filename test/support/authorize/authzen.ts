import type { Client } from '../client.js';
import { enroll, provision } from '../fleet.js';
import type { TestServer } from '../server.js';

/**
 * The world that the certification scenario of AuthZEN 1.0 wants, in our words: two things, two records, and actions
 * on them. Its soft and hard delete is a publication that is retained or not: the one action here that has parameters.
 */
export async function createScenario(server: TestServer): Promise<Client> {
  const allow = (id: string, actions: string[], resources: string[], condition?: object) => ({
    id,
    effect: 'allow',
    actions,
    resources,
    ...(condition ? { condition } : {}),
  });
  const people = await server.owner.post('/v1/policies', {
    name: 'people',
    statements: [
      allow('read', ['read'], ['endpoint:record-1']),
      allow('write', ['write'], ['endpoint:record-1'], { attributes: { role: ['author'] } }),
      allow('archive', ['write'], ['endpoint:record-2'], { attributes: { role: ['admin'] } }),
      allow('soft', ['publish'], ['topic:record-1'], { retain: true }),
    ],
  });
  if (people.status !== 201) throw new Error(people.text);
  for (const [name, role] of [
    ['alice', 'author'],
    ['bob', 'admin'],
  ] as const) {
    const { token } = await enroll(server, { policies: ['people'], attributes: { role } });
    await provision(server, token, name);
  }
  const permissions = ['authorize:query', 'things:read'];
  return server.as((await server.owner.post('/v1/api-keys', { permissions })).body.key);
}

export const alice = { type: 'thing', id: 'alice' };
export const bob = { type: 'thing', id: 'bob' };
export const read = { name: 'read' };
export const write = { name: 'write' };
export const remove = (soft: boolean) => ({ name: 'publish', properties: { retain: soft } });
export const record = (number: 1 | 2, properties?: object) => ({
  type: 'endpoint',
  id: `record-${number}`,
  ...(properties ? { properties } : {}),
});
export const active = { status: 'active' };
export const archived = { status: 'archived' };
