import { randomBytes } from 'node:crypto';
import type { Client } from '../test/support/client.js';
import { csrPem, newKey } from '../test/support/pki/csr.js';

/** A call that costs much, on so many connections at once. Bodies are sent in turn. */
export type Attack = {
  name: string;
  method: string;
  path: string;
  bodies: (string | undefined)[];
  connections: number;
  /** Another credential than the tenant's key. */
  credential?: string;
};

const many = <Item>(count: number, item: (n: number) => Item): Item[] =>
  Array.from({ length: count }, (_, n) => item(n));
const random = (octets: number) => randomBytes(octets).toString('base64url');

/** A tenant with things, policies and a history to ask for. */
export async function prepareHostile(owner: Client): Promise<void> {
  const enrollment = await owner.post('/v1/enrollments', { thingNamePattern: '*', maxUses: 1000 });
  for (let n = 0; n < 300; n++) {
    const body = JSON.stringify({ thingName: `thing-${n}`, csr: csrPem({ key: newKey() }) });
    const answer = await owner.send('POST', '/v1/provision', body, {
      authorization: `Bearer ${enrollment.body.token as string}`,
      'content-type': 'application/json',
    });
    if (answer.status !== 201) throw new Error(answer.text);
  }
  const made = await owner.post('/v1/policies', { name: 'wide', statements: statements(100, 45) });
  if (made.status !== 201) throw new Error(made.text);
}

const statements = (count: number, resources: number) =>
  many(count, (n) => ({
    id: `s${n}`,
    effect: 'allow',
    actions: ['publish'],
    resources: many(resources, (m) => `topic:\${account}/\${thing.name}/s${n}/${m}`),
  }));

/** Everything that a tenant may send and that costs the server much. */
export function attacksOf(): Attack[] {
  const post = (name: string, path: string, bodies: object[], connections = 16): Attack => ({
    name,
    method: 'POST',
    path,
    connections,
    bodies: bodies.map((body) => JSON.stringify(body)),
  });
  const get = (name: string, path: string): Attack => ({
    name,
    method: 'GET',
    path,
    bodies: [undefined],
    connections: 32,
  });
  const header = Buffer.from('{"alg":"ES256","typ":"at+jwt"}').toString('base64url');
  const forged = () => `${header}.${random(500)}.${random(64)}`;
  const batch = (principal: (n: number) => object, resource: string) => ({
    requests: many(1000, (n) => ({ principal: principal(n), action: 'publish', resource })),
  });
  const byName = (n: number) => ({ thingName: `thing-${n % 300}` });
  return [
    post(
      'batches of forged tokens',
      '/v1/authorize/batch',
      many(8, () => batch(() => ({ token: forged() }), 'topic:hostile/a')),
    ),
    post(
      'batches by name, long topics',
      '/v1/authorize/batch',
      many(2, () => batch(byName, `topic:${'hostile/a/'.repeat(80)}`)),
    ),
    post(
      'batches by fingerprint, unknown',
      '/v1/authorize/batch',
      many(8, () => batch(() => ({ fingerprint: randomBytes(32).toString('hex') }), 'topic:hostile/a')),
    ),
    {
      ...post('single questions', '/v1/authorize', [
        { principal: byName(1), action: 'publish', resource: 'topic:hostile/a' },
      ]),
      connections: 64,
    },
    post('lint of large documents', '/v1/policies/lint', [{ name: 'wide', statements: statements(100, 45) }]),
    post('simulate', '/v1/policies/simulate', [
      {
        policies: [{ name: 'wide' }],
        requests: many(100, (n) => ({
          thing: { name: `thing-${n}` },
          action: 'publish',
          resource: `topic:hostile/thing-${n}/s1/1`,
        })),
      },
    ]),
    post('dry runs', '/v1/policies/wide/activate', [{ version: 1, dryRun: true }]),
    post('new versions of a large policy', '/v1/policies/wide/versions', [{ statements: statements(100, 45) }]),
    post('dry runs of bulk revocations', '/v1/revocations/bulk', [
      { filter: { thingNames: many(10_000, (n) => `thing-${n}`) }, reason: 'superseded', dryRun: true },
    ]),
    post('new enrollments', '/v1/enrollments', [{ thingNamePattern: '*', maxUses: 10 }], 32),
    get('pages of things', '/v1/things?limit=1000'),
    get('pages of certificates', '/v1/certificates?limit=1000'),
    get('pages of the audit', '/v1/audit?limit=1000'),
    get('snapshots', '/v1/revocations/snapshot'),
    get('signed snapshots', '/v1/revocations/snapshot.jws'),
    { ...post('wrong keys', '/v1/authorize', [{}]), credential: `twk_${random(32)}`, connections: 64 },
  ];
}
