import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { enroll, holdSessions, provision } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';

const evil = '"><img src=x onerror="window.harmed=1"><script>window.harmed=1</script>';

describeWith(['chromium'], 'commands in the console', () => {
  let stage: ConsoleStage;
  let proxy: string;
  beforeAll(async () => {
    stage = await openConsole();
    const { token } = await enroll(stage.server, { thingType: 'pump' });
    await provision(stage.server, token, 'pump-1');
    proxy = await holdSessions(stage.server.owner, 'edge-1', ['pump-1']);
  });
  afterAll(() => stage?.stop());

  /** What the edge with the session of the pump says of the command that it claims. */
  const claim = async (): Promise<(status: string, more?: object) => Promise<void>> => {
    const { owner } = stage.server;
    const sessions = [{ id: 'session-of-pump-1' }];
    const asked = { proxy, incarnation: 'i', claim: randomUUID(), sessions };
    const { body } = await owner.post('/v1/edge/commands/claim', asked);
    const [{ id }] = body.commands as [{ id: string }];
    return async (status, more = {}) => {
      const commands = [{ id, thingName: 'pump-1', status, ...more }];
      const said = await owner.post('/v1/edge/commands/report', { proxy, incarnation: 'i', commands });
      expect(said.status, said.text).toBe(204);
    };
  };
  const state = () => stage.page.getByRole('dialog').getByRole('status');
  const send = async (name: string, payload: string) => {
    const { page } = stage;
    await page.getByRole('button', { name: 'Send a command…' }).click();
    await page.getByRole('dialog').getByLabel('Name', { exact: true }).fill(name);
    await page.getByLabel('Payload', { exact: true }).fill(payload);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
  };

  it('a schema says what payloads look like; what is none is refused with words', async () => {
    const { page, see, server, open } = stage;
    await open('/command-schemas');
    await page.getByText('There is no schema yet').waitFor();
    await see('command-schemas-none');
    await page.getByRole('button', { name: 'New schema' }).click();
    await page.getByLabel('Name of the command').fill('set-speed');
    await page.getByLabel('Type of things').fill('pump');
    await page.getByLabel('JSON Schema').fill('{ type: object }');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByText(/^The schema is not JSON/).waitFor();
    await page.getByLabel('JSON Schema').fill('{ "type": "string", "pattern": "a+" }');
    await page.getByRole('button', { name: 'Create' }).click();
    await page
      .getByText(/pattern/)
      .first()
      .waitFor();
    await see('command-schema-refused');
    const schema = { type: 'object', required: ['rpm'], properties: { rpm: { type: 'integer', maximum: 9000 } } };
    await page.getByLabel('JSON Schema').fill(JSON.stringify(schema));
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('cell', { name: 'set-speed', exact: true }).waitFor();
    await see('command-schemas');
    expect((await server.owner.get('/v1/command-schemas')).body.items).toMatchObject([{ thingType: 'pump', schema }]);
  });

  it('a command is sent, refused where it does not fit, and followed until the device has answered', async () => {
    const { page, see, server, open } = stage;
    await open('/things/pump-1');
    await page.getByText('It was sent no command in the last week').waitFor();
    await send('set-speed', '{ rpm: 1 }');
    await page.getByText(/^The payload is not JSON/).waitFor();
    await page.getByText('What its payload must look like').click();
    await page.getByLabel('Payload', { exact: true }).fill('{ "rpm": 99999 }');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByRole('dialog').getByText(/9000/).last().waitFor();
    await see('command-refused');
    await page.getByLabel('Payload', { exact: true }).fill('{ "rpm": 1200 }');
    await page.getByLabel('Sent no longer after').fill('5');
    await page.getByLabel('Unit of time').selectOption('minutes');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await state().getByText('It waits for the thing to connect to an edge.').waitFor();
    await see('command-queued');
    const [made] = (await server.owner.get('/v1/things/pump-1/commands')).body.items;
    expect(Date.parse(made.expiresAt) - Date.parse(made.createdAt)).toBe(300_000);
    const tell = await claim();
    await state().getByText('An edge took it. The broker has not confirmed it yet.').waitFor();
    await tell('delivered');
    await state().getByText('delivered', { exact: true }).waitFor();
    await tell('acknowledged', { result: { status: 'acknowledged', note: evil } });
    await state().getByText('The device did it.').waitFor();
    await page.getByRole('region', { name: 'What the device answered' }).getByText('<img src=x').waitFor();
    await see('command-acknowledged');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('region', { name: 'Commands' }).getByText('acknowledged', { exact: true }).last().waitFor();
  });

  it('shows why one failed and that one expired, and hostile payloads as text', async () => {
    const { page, see, server, complaints } = stage;
    await send('reboot', JSON.stringify({ [evil]: evil }));
    await page.getByRole('region', { name: 'Payload' }).getByText('<img src=x').first().waitFor();
    const tell = await claim();
    await tell('failed', { reason: `denied: ${evil}`.slice(0, 100) });
    await page.getByText(/^denied: /).waitFor();
    await see('command-failed');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Send a command…' }).click();
    await page.getByRole('dialog').getByLabel('Name', { exact: true }).fill('blink');
    await page.getByLabel('Unit of time').selectOption('minutes');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await state().getByText('queued').waitFor();
    server.advance(61);
    await state().getByText('No edge took it in time. It was never sent.').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByLabel('State of the commands').selectOption('expired');
    await page.getByRole('button', { name: 'blink: what became of it' }).waitFor();
    expect(await page.getByRole('button', { name: /^set-speed: / }).count()).toBe(0);
    await page.getByLabel('State of the commands').selectOption('');
    await page.getByRole('button', { name: /^set-speed: / }).waitFor();
    await see('thing-commands');
    expect(await page.evaluate('[window.harmed ?? null, document.images.length]')).toEqual([null, 0]);
    expect(complaints).toEqual([]);
  });

  it('who may not send commands sees them, and no button', async () => {
    const { site, invite } = stage;
    const page = await invite('Rita', ['things:read']);
    await page.goto(`${site}/console/things/pump-1`);
    await page.getByRole('button', { name: /^set-speed: / }).waitFor();
    expect(await page.getByRole('button', { name: 'Send a command…' }).count()).toBe(0);
    await page.goto(`${site}/console/command-schemas`);
    await page.getByRole('cell', { name: 'set-speed', exact: true }).waitFor();
    expect(await page.getByRole('button', { name: /New schema|Delete/ }).count()).toBe(0);
    await page.context().close();
  });

  it('a suspended thing is offered no command, and a schema is deleted', async () => {
    const { page, server, open } = stage;
    await server.owner.post('/v1/things/pump-1/suspend');
    await open('/things/pump-1');
    await page.getByRole('button', { name: /^set-speed: / }).waitFor();
    expect(await page.getByRole('button', { name: 'Send a command…' }).count()).toBe(0);
    await open('/command-schemas');
    await page.getByRole('button', { name: 'Delete the schema of set-speed' }).click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByText('There is no schema yet').waitFor();
    expect((await server.owner.get('/v1/command-schemas')).body.items).toEqual([]);
  });
});
