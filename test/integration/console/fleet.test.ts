import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { siteReport } from '../../support/edge/site.js';
import { enroll, holdSessions, provision } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';

describeWith(['chromium'], 'groups, campaigns and machines in the console', () => {
  let stage: ConsoleStage;
  let edge: string;
  beforeAll(async () => {
    stage = await openConsole();
    const { token } = await enroll(stage.server, { attributes: { site: 'oslo' } });
    for (const name of ['pump-1', 'pump-2', 'pump-3']) await provision(stage.server, token, name);
    const elsewhere = await enroll(stage.server, { attributes: { site: 'bergen' } });
    await provision(stage.server, elsewhere.token, 'pump-4');
    edge = await holdSessions(stage.server.owner, 'edge-1', []);
  });
  afterAll(() => stage?.stop());
  const go = (name: string) =>
    stage.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();

  it('a group is tried before it is kept, shows what it finds, and is changed', async () => {
    const { page, see, server } = stage;
    await go('Groups');
    await page.getByText('There is no group yet').waitFor();
    await see('groups-none');
    await page.getByRole('button', { name: 'New group' }).click();
    await page.getByLabel('Name', { exact: true }).fill('oslo');
    await page.getByLabel('Query').fill('attributes.site =');
    await page.getByRole('button', { name: 'See what it finds' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Query').fill('attributes.site = oslo');
    await page.getByRole('button', { name: 'See what it finds' }).click();
    await page.getByText('3 things: pump-1, pump-2, pump-3.').waitFor();
    await see('group-new');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { name: 'oslo', exact: true }).waitFor();
    await page.getByText('3 things: pump-1, pump-2, pump-3.').waitFor();
    await see('group');
    await page.getByRole('link', { name: 'Show its things' }).click();
    await page.getByRole('link', { name: 'pump-3' }).waitFor();
    expect(await page.getByRole('link', { name: 'pump-4' }).count()).toBe(0);
    await page.goBack();
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Query').fill('{ "attributes": { "site": "oslo" }, "not": { "name": "pump-3" } }');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('2 things: pump-1, pump-2.').waitFor();
    expect((await server.owner.get('/v1/groups/oslo')).body.query.not).toEqual({ name: 'pump-3' });
    await go('Groups');
    await page.getByRole('link', { name: 'oslo' }).waitFor();
    await see('groups');
  });

  it('a campaign shows what it would take, then how far it is; it is paused, resumed and cancelled', async () => {
    const { page, see, server } = stage;
    await page.getByRole('link', { name: 'oslo' }).click();
    await page.getByRole('link', { name: 'Start a campaign' }).click();
    await page.getByRole('button', { name: 'See what it would take' }).click();
    await page.getByRole('heading', { name: '2 things' }).waitFor();
    await see('campaign-new');
    await page.getByRole('button', { name: 'Begin' }).click();
    await page.getByRole('heading', { name: 'Renew certificates' }).waitFor();
    await server.services.chores.run('run-campaigns');
    await page.getByText('0 of 2, 1 asked to renew').waitFor();
    await page.getByLabel('State of the things').selectOption('asked');
    await page.getByRole('region', { name: 'Things of the campaign' }).getByRole('link').waitFor();
    await see('campaign');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    await see('campaign-paused');
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page.getByRole('button', { name: 'Cancel it…' }).click();
    await page.getByRole('button', { name: 'Cancel the campaign' }).click();
    await page.getByRole('status').getByText('cancelled').waitFor();
    await go('Campaigns');
    await page.getByRole('link', { name: 'Renew certificates' }).waitFor();
    await see('campaigns');
  });

  it('attributes are set by a query, over all things at once', async () => {
    const { page, server } = stage;
    await go('Campaigns');
    await page.getByRole('link', { name: 'New campaign' }).click();
    await page.getByLabel('Act', { exact: true }).selectOption('set-attributes');
    await page.getByLabel('Attributes').fill('hall = 7\nsite');
    await page.getByLabel('Or things that').fill('name = "pump-4"');
    await page.getByLabel('Waves').fill('100');
    await page.getByRole('button', { name: 'See what it would take' }).click();
    await page.getByRole('heading', { name: '1 thing', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Begin' }).click();
    await page.getByRole('heading', { name: 'Set hall, site' }).waitFor();
    for (let turn = 0; turn < 5; turn++) await server.services.chores.run('run-campaigns');
    await page.getByText('1 of 1').waitFor();
    expect((await server.owner.get('/v1/things/pump-4')).body.attributes).toEqual({ hall: '7' });
  });

  it('an edge shows its machine', async () => {
    const { page, see, server } = stage;
    await server.owner.post(`/v1/proxies/${edge}/site`, siteReport(0.35, 0.25));
    await go('Edges');
    await page.getByText('35 % CPU, 25 % memory').waitFor();
    await page.getByRole('link', { name: 'edge-1' }).click();
    await page.getByRole('heading', { name: 'Its machine' }).waitFor();
    await see('edge-machine');
  });
});
