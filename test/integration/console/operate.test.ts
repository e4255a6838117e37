import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { enroll, holdSessions, provision } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';

describeWith(['chromium'], 'operating in the console', () => {
  let stage: ConsoleStage;
  beforeAll(async () => {
    stage = await openConsole();
    const { token } = await enroll(stage.server);
    for (const name of ['pump-1', 'pump-2', 'pump-3']) await provision(stage.server, token, name);
    await holdSessions(stage.server.owner, 'edge-1', ['pump-1', 'pump-2']);
  });
  afterAll(() => stage?.stop());
  const go = (name: string) => stage.page.getByRole('link', { name, exact: true }).click();

  it('edges show how far they are; a session at one is ended, and its edge is waited for', async () => {
    const { page, see, server } = stage;
    await go('Edges');
    await page.getByRole('link', { name: 'edge-1' }).waitFor();
    await see('edges');
    await page.getByRole('link', { name: 'edge-1' }).click();
    await page
      .getByRole('row', { name: /pump-2/ })
      .getByRole('button', { name: 'End…' })
      .click();
    await page.getByRole('dialog').getByText('edge-1 closes the connection.').waitFor();
    await page.getByRole('button', { name: 'End the session' }).click();
    await page.getByText('Where it is enforced').waitFor();
    await see('edge');
    const entries = (await server.owner.get('/v1/audit?action=session.end')).body.items;
    expect(entries).toHaveLength(1);
  });

  it('a segment is made, changed, filled and emptied again with a step back', async () => {
    const { page, see, server } = stage;
    await go('Segments');
    await page.getByText('There is no segment yet').waitFor();
    await see('segments-none');
    await page.getByRole('button', { name: 'New segment' }).click();
    await page.getByLabel('Name', { exact: true }).fill('hall-1');
    await page.getByLabel('Addresses').fill('10.1.0.0/16');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name: 'hall-1' }).waitFor();
    await page.getByLabel('Name of a thing').fill('pump-3');
    await page.getByRole('button', { name: 'Add to the segment' }).click();
    await page.getByRole('link', { name: 'pump-3' }).waitFor();
    await see('segment');
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Things at most').fill('50');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('1 of 50').waitFor();
    await page.getByRole('button', { name: 'Take out pump-3' }).click();
    await page.getByText('pump-3 is no longer in hall-1.').waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('1 of 50').waitFor();
    expect((await server.owner.get('/v1/things/pump-3')).body.segment).toBe('hall-1');
  });

  it('certificates are listed by their end; one is held and released', async () => {
    const { page, see } = stage;
    await go('Certificates');
    await page.getByRole('link', { name: 'pump-1' }).waitFor();
    await see('certificates');
    const row = page.getByRole('row', { name: /pump-3/ });
    await row.getByRole('button', { name: /^Revoke/ }).click();
    await page.getByLabel('Reason').selectOption('certificateHold');
    await page.getByLabel('Type pump-3 to confirm').fill('pump-3');
    await page.getByRole('button', { name: 'Hold', exact: true }).click();
    await row.getByText('held').waitFor();
    await row.getByRole('button', { name: 'Release…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
    await row.getByText('active').waitFor();
  });

  it('many are revoked by what they have in common, after their number was seen and typed', async () => {
    const { page, see, server } = stage;
    await go('Revoke many');
    await page.getByLabel('Names of things').fill('pump-1\npump-2');
    await page.getByRole('button', { name: 'See what it would end' }).click();
    await page.getByRole('heading', { name: '2 certificates of 2 things would end' }).waitFor();
    await see('bulk');
    await page.getByRole('button', { name: 'Revoke them…' }).click();
    await page.getByLabel('Type 2 to confirm').fill('2');
    await page.getByRole('button', { name: 'Revoke them', exact: true }).click();
    await page.getByText('2 of 2 revoked').waitFor();
    await page.getByText('Where it is enforced').waitFor();
    await see('bulk-done');
    expect((await server.owner.get('/v1/certificates?thing=pump-1')).body.items[0].status).toBe('revoked');
  });

  it('authorities, decisions and the audit', async () => {
    const { page, see, server } = stage;
    await go('Issuers and lists');
    await page.getByRole('heading', { name: 'Issuing authority' }).waitFor();
    await page.getByText('Settings of its lists').click();
    await page.getByLabel('A delta list is published').click();
    await page.getByRole('button', { name: 'Save…' }).click();
    await page
      .getByRole('dialog')
      .getByText(/^deltaList/)
      .waitFor();
    await see('issuer-change');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('The settings of the authority are saved.').waitFor();
    await see('issuers');
    const question = { principal: { thingName: 'pump-3' }, action: 'connect', resource: 'client:pump-3' };
    await server.owner.post('/v1/authorize', question);
    await server.services.chores.run('write-decisions');
    await go('Decisions');
    await page.getByRole('heading', { name: 'Decisions' }).waitFor();
    await see('decisions');
    await go('Audit');
    await page.getByRole('link', { name: 'session.end' }).first().waitFor();
    await page.getByLabel('What', { exact: true }).fill('segment.create');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.waitForURL(/action=segment\.create/);
    await page.getByRole('link', { name: 'segment:hall-1' }).waitFor();
    await page.getByText('Show', { exact: true }).first().click();
    await see('audit');
    const saving = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Export' }).click();
    expect((await saving).suggestedFilename()).toBe('audit.ndjson');
  });
});
