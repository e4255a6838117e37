import { expect, it } from 'vitest';
import { freshDatabase } from '../../support/databases/databases.js';
import { createClient, type Answer } from '../../support/client.js';
import { startProgram } from '../../support/program.js';

const ownerKey = `twk_${'4f9a0c7e21b85d36'.repeat(2)}z`;

/** The one line of the log that has an id. */
const lineOf = (output: string, id: string): Record<string, unknown> => {
  const lines = output.split('\n').filter((line) => line.includes(id));
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0]!) as Record<string, unknown>;
};

it('from the requestId of an answer alone, the log says who was refused what, and why', async () => {
  const database = await freshDatabase('embedded');
  const program = await startProgram({ ...database.settings, THINGWARD_OWNER_KEY: ownerKey, LOG_LEVEL: 'info' });
  const owner = createClient(program.url, ownerKey);
  const { key } = (await owner.post('/v1/api-keys', { role: 'proxy', name: 'gate' })).body as { key: string };
  const proxy = createClient(program.url, key);
  const question = { principal: { thingName: 'nobody-1' }, action: 'publish', resource: 'topic:default/nobody-1/x' };
  const idIn = ({ body }: Answer) => (body as { requestId: string }).requestId;

  const forbidden = await proxy.post('/v1/things/pump-1/revoke', { reason: 'keyCompromise' });
  const unknown = await createClient(program.url, 'twk_nothingThatIsKnown1234567').get('/v1/things');
  const denied = await proxy.post('/v1/authorize', question);
  const authzen = await proxy.post('/access/v1/evaluation', {
    subject: { type: 'thing', id: 'nobody-1' },
    action: { name: 'publish' },
    resource: { type: 'topic', id: 'default/nobody-1/x' },
  });
  const late = await proxy.post('/v1/authorize', { ...question, atLeast: '00000000-0000-4000-8000-000000000000:1' });
  await owner.get('/readyz');
  await program.kill();
  const output = program.output();

  expect([forbidden, unknown, denied, authzen].map(({ status }) => status)).toEqual([403, 401, 200, 200]);
  expect(lineOf(output, idIn(forbidden))).toMatchObject({
    status: 403,
    account: 'default',
    actor: expect.stringMatching(/^key:/),
    object: 'pump-1',
    route: '/v1/things/:name/revoke',
    problem: 'forbidden',
    why: expect.stringContaining('certificates:revoke'),
  });
  const anonymous = lineOf(output, idIn(unknown));
  expect(anonymous).toMatchObject({ status: 401, ip: '127.0.0.1', problem: 'invalid-credential' });
  expect(anonymous).not.toHaveProperty('actor');
  const asked = { device: 'nobody-1', action: 'publish', resource: 'topic:default/nobody-1/x' };
  expect(lineOf(output, denied.headers.get('x-request-id')!)).toMatchObject({
    status: 200,
    actor: expect.stringMatching(/^key:/),
    denied: { reason: 'unknown-principal', ...asked },
  });
  expect(lineOf(output, authzen.headers.get('x-request-id')!)).toMatchObject({
    denied: { reason: 'unknown-principal' },
  });
  expect(lineOf(output, idIn(late))).toMatchObject({ problem: 'epoch-changed', why: late.body.detail });
  // Who asks every few seconds fills no log, and no secret is in it.
  expect(output).not.toContain('"route":"/readyz"');
  expect(output).not.toContain('nothingThatIsKnown');
  expect(output).toContain('stopping: requests in progress are answered first');
  database.remove();
});
