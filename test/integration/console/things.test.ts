import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { enroll, provision } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';

describeWith(['chromium'], 'things in the console', () => {
  let stage: ConsoleStage;
  beforeAll(async () => {
    stage = await openConsole();
    const { token } = await enroll(stage.server);
    for (let number = 1; number < 6; number++) await provision(stage.server, token, `pump-${number}`);
  });
  afterAll(() => stage?.stop());

  it('a view is kept, the chosen are worked through with a result for each, and a step back', async () => {
    const { page, see, server, open } = stage;
    await open('/things?search=pump');
    await page.getByLabel('Name of the view').fill('Pumps');
    await page.getByRole('button', { name: 'Keep this view' }).click();
    await open('/things');
    await page.getByRole('link', { name: 'Pumps' }).click();
    await page.waitForURL(/search=pump/);
    for (const name of ['pump-1', 'pump-2', 'pump-3']) await page.getByLabel(`Choose ${name}`).check();
    await see('things-chosen');
    // Meanwhile somebody else ends one of them: its row says so, and the others are done.
    await server.owner.post('/v1/things/pump-3/revoke', { reason: 'unspecified' });
    await page.getByRole('button', { name: 'Suspend…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click();
    await page.getByText('2 done, 1 refused.').waitFor();
    await see('things-results');
    expect((await server.owner.get('/v1/things/pump-1')).body.status).toBe('suspended');
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('heading', { name: 'Resume: 2 of 2' }).waitFor();
    expect((await server.owner.get('/v1/things/pump-1')).body.status).toBe('active');
    await page.getByRole('button', { name: 'Attach a policy…' }).click();
    await page.getByLabel('Policy', { exact: true }).last().selectOption('camera');
    await page.getByRole('dialog').getByRole('button', { name: 'Attach a policy' }).click();
    await page.getByRole('heading', { name: 'Attach a policy: 3 of 3' }).waitFor();
    expect((await server.owner.get('/v1/things/pump-2')).body.policies).toEqual(['sensor', 'camera']);
  });

  it('what the filters select is saved as CSV', async () => {
    const { page, open } = stage;
    await open('/things?status=active');
    await page.getByRole('link', { name: 'pump-1', exact: true }).waitFor();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export CSV' }).click();
    const lines = readFileSync(await (await saving).path(), 'utf8')
      .trimEnd()
      .split('\r\n');
    expect(lines[0]).toBe('name,status,type,segment,policies,createdAt,lastSeenAt,id');
    expect(lines.slice(1).map((line) => line.split(',')[0])).toEqual(['pump-1', 'pump-2', 'pump-4', 'pump-5']);
  });

  it('one thing: attributes with a step back, rights, policies, re-enrollment, deletion', async () => {
    const { page, see, server, open } = stage;
    await open('/things/pump-4');
    await page.getByLabel('Attribute').fill('site');
    await page.getByLabel('Value').fill('berlin');
    await page.getByRole('button', { name: 'Set', exact: true }).click();
    await page.getByText('site is berlin now.').waitFor();
    await page.getByText('topic:default/pump-4/telemetry/#').waitFor();
    await see('thing-whole');
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('It has no attributes.').waitFor();
    await page.getByRole('button', { name: 'Policies…' }).click();
    await page.getByLabel('actuator').check();
    await page.getByRole('button', { name: 'Set policies' }).click();
    await page.getByText('The policies of pump-4 are set.').waitFor();
    expect((await server.owner.get('/v1/things/pump-4')).body.policies).toEqual(['sensor', 'actuator']);
    await page.getByRole('button', { name: 'Re-enroll…' }).click();
    await page.getByLabel('Type pump-4 to confirm').fill('pump-4');
    await page.getByRole('dialog').getByRole('button', { name: 'Re-enroll' }).click();
    const token = /twe_\S+/.exec((await page.getByText(/thingward agent/).textContent())!)![0];
    await see('thing-reenroll');
    expect((await provision(server, token, 'pump-4')).answer.status).toBe(201);
    await page.getByRole('button', { name: 'Done' }).click();
    await server.owner.post('/v1/things/pump-5/revoke', { reason: 'unspecified' });
    await open('/things/pump-5');
    await page.getByRole('button', { name: 'Delete…' }).click();
    await page.getByLabel('Type pump-5 to confirm').fill('pump-5');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL(/\/things$/);
    expect((await server.owner.get('/v1/things/pump-5')).body.status).toBe('deleted');
  });

  it('everything is one key and a few letters away', async () => {
    const { page, see, open } = stage;
    await open('/');
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('pump-2');
    await page.getByRole('option', { name: /pump-2/ }).waitFor();
    await see('palette');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'pump-2', level: 1 }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('edg');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Edges', level: 1 }).waitFor();
  });
});
