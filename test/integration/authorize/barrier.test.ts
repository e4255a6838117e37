import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, type Client } from '../../support/client.js';
import { csrPem } from '../../support/pki/csr.js';
import { databaseKinds, freshDatabase } from '../../support/databases/databases.js';
import { startProgram, type Program } from '../../support/program.js';

const rounds = 40;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(!databaseKinds.includes('postgresql'))('two instances on one PostgreSQL', () => {
  const ownerKey = `twk_${randomBytes(32).toString('base64url')}`;
  let programs: Program[];
  let owners: [Client, Client];
  let principals: object[];

  beforeAll(async () => {
    const { settings } = await freshDatabase('postgresql');
    const common = { ...settings, THINGWARD_OWNER_KEY: ownerKey };
    programs = await Promise.all([startProgram(common), startProgram(common)]);
    owners = [createClient(programs[0]!.url, ownerKey), createClient(programs[1]!.url, ownerKey)];
    const [owner] = owners;
    await owner.post('/v1/policies', document(0));
    const { token } = (await owner.post('/v1/enrollments', { policy: 'edited', thingNamePattern: '*', maxUses: 9 }))
      .body;
    const { body } = await createClient(programs[0]!.url, token).post('/v1/provision', {
      thingName: 'meter',
      csr: csrPem(),
    });
    const { fingerprint } = body.certificate;
    // Tokens are ours only where the issuer is the same: instances behind one name. Names and certificates are known to both.
    principals = [{ thingName: 'meter' }, { fingerprint }];
  });
  afterAll(async () => {
    for (const program of programs) {
      program.process.kill('SIGCONT');
      await program.kill();
    }
  });

  const document = (n: number) => ({
    name: 'edited',
    statements: [
      {
        id: `s${n}`,
        effect: 'allow',
        actions: ['read'],
        resources: ['endpoint:${thing.attributes.v}', `endpoint:e${n}`],
      },
    ],
  });
  const read = (client: Client, principal: object, resource: string) =>
    client.post('/v1/authorize', { principal, action: 'read', resource });

  it('what one acknowledges, the other decides by: every edit and every change of attributes', async () => {
    let checked = 0;
    for (let n = 1; n <= rounds; n++) {
      const [writer, reader] = n % 2 === 0 ? owners : ([owners[1], owners[0]] as const);
      await writer.post('/v1/policies/edited/versions', document(n));
      await writer.post('/v1/policies/edited/activate', { version: n + 1 });
      await writer.send('PATCH', '/v1/things/meter', { attributes: { v: `v${n}` } });
      for (const principal of principals) {
        const answers = await Promise.all(
          [`endpoint:e${n}`, `endpoint:v${n}`, `endpoint:e${n - 1}`, `endpoint:v${n - 1}`].map((resource) =>
            read(reader, principal, resource),
          ),
        );
        expect(
          answers.map(({ body }) => body.decision),
          `round ${n}`,
        ).toEqual(['allow', 'allow', 'deny', 'deny']);
        checked += answers.length;
      }
    }
    console.log(`barrier: rounds=${rounds} checked=${checked} stale=0`);
  });

  it('a stopped instance holds a change up for no longer than its lease, and never answers by what it knew', async () => {
    const [first, second] = owners;
    const hasty = createClient(programs[1]!.url, ownerKey, 'impatient');
    for (let n = 1; n <= 3; n++) {
      expect((await read(second, principals[0]!, `endpoint:e${rounds}`)).body.decision).toBe('allow');
      programs[1]!.process.kill('SIGSTOP');
      // Sent while it is stopped and answered when it goes on: it must not answer from before.
      const waiting = principals.map((principal) => read(hasty, principal, 'endpoint:gone'));
      await pause(200);
      const gone = document(rounds);
      gone.statements[0]!.resources = ['endpoint:here'];
      const version = (await first.post('/v1/policies/edited/versions', gone)).body.version as number;
      await first.post('/v1/policies/edited/activate', { version });
      const late = principals.map((principal) => read(hasty, principal, `endpoint:e${rounds}`));
      await pause(100);
      programs[1]!.process.kill('SIGCONT');
      await Promise.all(waiting);
      for (const answer of await Promise.all(late))
        expect(answer.status === 503 || answer.body.decision === 'deny', answer.text).toBe(true);
      expect((await read(second, principals[0]!, 'endpoint:here')).body.decision).toBe('allow');
      const back = (await first.post('/v1/policies/edited/versions', document(rounds))).body.version as number;
      await first.post('/v1/policies/edited/activate', { version: back });
    }
  });
});
