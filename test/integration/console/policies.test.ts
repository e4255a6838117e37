import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { enroll, provision } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';

describeWith(['chromium'], 'policies in the console', () => {
  let stage: ConsoleStage;
  beforeAll(async () => {
    stage = await openConsole();
    const { token } = await enroll(stage.server, { policies: ['sensor', 'actuator'] });
    await provision(stage.server, token, 'pump-1');
  });
  afterAll(() => stage?.stop());

  it('a policy is written with what the schema knows, and not saved while the server finds an error in it', async () => {
    const { page, see, server } = stage;
    await page.getByRole('link', { name: 'Policies', exact: true }).click();
    await page.getByRole('link', { name: 'actuator', exact: true }).waitFor();
    await see('policies');
    await page.getByRole('link', { name: 'New policy' }).click();
    const editor = page.getByRole('textbox', { name: 'Policy document' });
    await page.getByText('Nothing to say against it.').waitFor();
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText('{ "name": "door", "statements": [ { "id": "open", "effect": "allow", ');
    await page.keyboard.type('"acti');
    await page.keyboard.press('Control+Space');
    await page.getByRole('option', { name: /^actions/ }).waitFor();
    await see('policy-completion');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(
      '{ "name": "door", "statements": [ { "id": "open", "effect": "allow", "actions": ["publish"], "resources": ["endpoint:x"] } ] }',
    );
    await page.getByText('It would not be saved').waitFor();
    await page.locator('.cm-lintRange-error').first().waitFor();
    expect(await page.getByRole('button', { name: 'Create policy' }).isDisabled()).toBe(true);
    await see('policy-error');
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(JSON.stringify(door(['open']), undefined, 2));
    await page.getByText('Nothing to say against it.').waitFor();
    await page.getByRole('button', { name: 'Create policy' }).click();
    await page.getByRole('heading', { name: 'Version 1, which decides now' }).waitFor();
    await see('policy');
    expect((await server.owner.get('/v1/policies/door')).body.document.statements[0].id).toBe('open');
  });

  it('another version is compared, previewed, activated and taken back', async () => {
    const { page, see, server } = stage;
    await server.owner.send('PUT', '/v1/things/pump-1/policies', { policies: ['sensor', 'door'] });
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByText('Nothing to say against it.').waitFor();
    const editor = page.getByRole('textbox', { name: 'Policy document' });
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(JSON.stringify(door(['open', 'close']), undefined, 2));
    await page.getByText('Nothing to say against it.').waitFor();
    await page.getByRole('button', { name: 'Save as a new version' }).click();
    await page.getByRole('heading', { name: 'From version 1 to version 2' }).waitFor();
    await page.locator('.diff .added').first().waitFor();
    await see('policy-diff');
    await page.getByRole('button', { name: 'Activate version 2' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('What would change').waitFor();
    await dialog.getByText('Examples').click();
    await see('policy-activate');
    await dialog.getByRole('button', { name: 'Activate version 2' }).click();
    await page.getByText('Version 2 of door decides now.').waitFor();
    expect((await server.owner.get('/v1/policies/door')).body.activeVersion).toBe(2);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('Version 1 of door decides again.').waitFor();
    expect((await server.owner.get('/v1/policies/door')).body.activeVersion).toBe(1);
  });

  it('questions are simulated as a table, and saved as tests', async () => {
    const { page, see } = stage;
    await page.getByRole('link', { name: 'Simulate' }).click();
    const ask = async (action: string, resource: string) => {
      await page.getByLabel('Thing', { exact: true }).fill('pump-1');
      await page.getByLabel('Action', { exact: true }).fill(action);
      await page.getByLabel('Resource', { exact: true }).fill(resource);
      await page.getByRole('button', { name: 'Add question' }).click();
    };
    await ask('open', 'endpoint:east');
    await page.getByRole('cell', { name: 'allow', exact: true }).waitFor();
    await ask('close', 'endpoint:east');
    await page.getByRole('cell', { name: 'deny', exact: true }).waitFor();
    await page.getByLabel('Expected answer for pump-1 close').selectOption('allow');
    await page.getByText('differs').waitFor();
    await see('simulate');
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as tests' }).click();
    const path = await (await saving).path();
    await page.getByRole('button', { name: 'Remove pump-1 close' }).click();
    await page.getByText('Open tests').setInputFiles(path);
    await page.getByText('differs').waitFor();
  });

  it('why: the deciding statement is marked in its document, and the others say why they did not match', async () => {
    const { page, see, server } = stage;
    await page.getByRole('link', { name: 'Why?' }).click();
    await page.getByLabel('Thing', { exact: true }).fill('pump-1');
    await page.getByLabel('Resource', { exact: true }).fill('topic:default/pump-1/telemetry');
    await page.getByRole('button', { name: 'Ask' }).click();
    await page.getByText('Statement telemetry of sensor allows it.').waitFor();
    const marked = page.locator('.statement[aria-current]');
    await marked.waitFor();
    expect(await marked.textContent()).toContain('telemetry');
    expect(await page.getByText('It is about other actions.').count()).toBeGreaterThan(1);
    await see('why');
    await server.owner.post('/v1/things/pump-1/suspend');
    await page.reload();
    await page.getByText(/is refused now/).waitFor();
    await see('why-refused');
    await server.owner.post('/v1/things/pump-1/resume');
  });
});

const door = (actions: string[]) => ({
  name: 'door',
  statements: [{ id: 'open', effect: 'allow', actions, resources: ['endpoint:east'] }],
});
