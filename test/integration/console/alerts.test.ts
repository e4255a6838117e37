import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { expectAccessible } from '../../support/console/visitor.js';
import { startReceiver, until } from '../../support/monitoring/receiver.js';
import { describeWith } from '../../support/programs.js';

const evil = '"><img src=x onerror="window.harmed=1">{{7*7}}';
const day = 86_400;

describeWith(['chromium'], 'alerts and webhooks in the console', () => {
  let stage: ConsoleStage;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  const run = (chore: string) => stage.server.services.chores.run(chore);
  const evaluate = async () => {
    for (const chore of ['write-figures', 'read-account-figures', 'evaluate-alerts']) await run(chore);
  };
  const deny = async (times: number) => {
    const question = { principal: { thingName: 'nobody' }, action: 'publish', resource: 'topic:a' };
    for (let n = 0; n < times; n++) await stage.server.owner.post('/v1/authorize', question);
  };
  const comes = (place: Locator) => stage.comes(place);
  const go = (name: string) =>
    stage.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
  const view = (name: string) => stage.page.getByRole('link', { name, exact: true }).last().click();

  beforeAll(async () => {
    receiver = await startReceiver();
    stage = await openConsole({ THINGWARD_OUTBOUND_ALLOW: '127.0.0.1' });
  });
  afterAll(async () => {
    await stage?.stop();
    await receiver?.stop();
  });

  it('a channel is made, its secret shown once, and a test shows what the other side answered', async () => {
    const { page, see, server } = stage;
    await go('Alerts');
    await page.getByText('No alert has fired yet').waitFor();
    await see('alerts-none');
    await page.getByRole('link', { name: 'Channels', exact: true }).click();
    await page.getByText('Nobody hears of alerts').waitFor();
    await see('channels-none');
    await page.getByRole('button', { name: 'New channel' }).click();
    await page.getByLabel('Name', { exact: true }).fill('On call');
    await page.getByLabel('URL').fill(receiver.url);
    await see('channel-new');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByText(/^whsec_/).waitFor();
    await see('channel-secret');
    await page.getByRole('button', { name: 'I have kept it' }).click();
    const row = page.getByRole('row', { name: /On call/ });
    receiver.set(() => ({ status: 418, body: `<b>I am a teapot</b> ${evil}` }));
    await row.getByRole('button', { name: 'Send a test' }).click();
    await page.getByText('The other side did not take it').waitFor();
    await page.getByText(/<b>I am a teapot<\/b>/).waitFor();
    await page.getByText('418').waitFor();
    await see('channel-test-refused');
    receiver.set(() => ({ status: 200, body: 'ok' }));
    await page.getByRole('button', { name: 'Send another' }).click();
    await page.getByText('The other side took it').waitFor();
    await see('channel-test');
    await page.getByRole('button', { name: 'Done' }).click();
    // What leads to a private address is refused, and says so.
    const away = { name: 'away', type: 'webhook', url: 'https://10.1.2.3/' };
    expect((await server.owner.post('/v1/alerts/channels', away)).status).toBe(201);
    await page.reload();
    await page.getByRole('row', { name: /away/ }).getByRole('button', { name: 'Send a test' }).click();
    await page.getByText(/private address/).waitFor();
    await page.keyboard.press('Escape');
    await see('channels');
    await page.getByRole('row', { name: /away/ }).getByRole('button', { name: 'Delete…' }).click();
    await page.getByLabel('Type away to confirm').fill('away');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('row', { name: /away/ }).waitFor({ state: 'detached' });
  });

  it('rules: those of every account are marked and cannot be deleted; one is made by keyboard', async () => {
    const { page, see, server } = stage;
    await page.getByRole('link', { name: 'Rules', exact: true }).click();
    await page.getByText('every account has it').first().waitFor();
    expect(await page.getByText('every account has it').count()).toBe(7);
    expect(await page.getByRole('button', { name: 'Delete…' }).count()).toBe(0);
    await see('rules');
    await page.getByRole('button', { name: 'New rule' }).focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Name', { exact: true }).fill('denials');
    await page.getByLabel('Threshold').fill('2');
    await page.getByLabel('Severity').selectOption('critical');
    await page.getByLabel('On call').focus();
    await page.keyboard.press('Space');
    await see('rule-new');
    await page.getByLabel('Threshold').focus();
    await page.keyboard.press('Enter');
    const row = page.getByRole('row', { name: /denials/ });
    await row.getByText('questions denied in a minute: more than 2').waitFor();
    await row.getByText('On call').waitFor();
    const { items } = (await server.owner.get('/v1/alerts/rules')).body;
    expect(items.find(({ name }: { name: string }) => name === 'denials')).toMatchObject({
      metric: 'decisions.deny',
      condition: 'greater_than',
      threshold: 2,
      forSeconds: 0,
      severity: 'critical',
      cooldownSeconds: 300,
      enabled: true,
      channels: [expect.any(String)],
    });
    const builtIn = page.getByRole('row').filter({ hasText: 'every account has it' }).first();
    await builtIn.getByRole('button', { name: 'Edit' }).click();
    await page.getByText('It cannot be deleted').waitFor();
    await see('rule-built-in');
    await page.keyboard.press('Escape');
  });

  it('an alert fires, is acknowledged on the overview, and is over', async () => {
    const { page, see, server } = stage;
    server.freeze();
    await go('Overview');
    await page.getByText('Nothing fires.').waitFor();
    await deny(3);
    await evaluate();
    // Nobody touches the page: it is told.
    await comes(page.getByRole('button', { name: 'Acknowledge denials' }));
    await see('overview-firing');
    await go('Alerts');
    await page
      .getByRole('row', { name: /denials/ })
      .getByText('firing')
      .waitFor();
    await see('alerts');
    await go('Overview');
    await page.getByRole('button', { name: 'Acknowledge denials' }).click();
    await page.getByText('its channels are told again only when it is over').waitFor();
    await page.getByText('Nothing fires.').waitFor();
    await go('Alerts');
    await view('Acknowledged');
    await page
      .getByRole('row', { name: /denials/ })
      .getByText('person:')
      .waitFor();
    await view('Firing');
    await page.getByText('No alert is firing').waitFor();
    await see('alerts-none-firing');
    server.advance(300);
    await evaluate();
    await evaluate();
    await view('Resolved');
    await page
      .getByRole('row', { name: /denials/ })
      .getByText('resolved')
      .waitFor();
    expect(page.url()).toContain('status=resolved');
    await see('alerts-resolved');
  });

  it('a webhook is made with types, its secret shown once, and what became of its events is shown', async () => {
    const { page, see, server } = stage;
    await go('Webhooks');
    await page.getByText('No program hears of what happens').waitFor();
    await see('webhooks-none');
    await page.getByRole('button', { name: 'New webhook' }).click();
    await page.getByLabel('URL').fill(receiver.url);
    await page.getByLabel('Description').fill('The SIEM');
    await page.getByLabel('audit.*').check();
    await page.getByLabel('policy.activated').check();
    await see('webhook-new');
    await page.getByRole('button', { name: 'Create' }).click();
    // More than five minutes after the last factor.
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await page.getByText(/^whsec_/).waitFor();
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await page.getByRole('row', { name: /The SIEM/ }).waitFor();
    await see('webhooks');
    receiver.received.length = 0;
    await until(
      () => receiver.received.length > 0,
      () => run('deliver'),
    );
    receiver.set(() => ({ status: 503, body: 'closed' }));
    await server.owner.post('/v1/segments', { name: 'hall', cidr: '10.0.0.0/8' });
    await page.getByRole('link', { name: receiver.url }).click();
    await until(
      () => receiver.received.some(({ json }) => json.subject === 'segment:hall'),
      () => run('deliver'),
    );
    await comes(page.getByRole('row', { name: /segment:hall/ }).getByText('503 closed'));
    await page
      .getByRole('row', { name: /webhook.create/ })
      .getByText('delivered')
      .waitFor();
    await see('webhook');
  });

  it('a parked event is told again', async () => {
    const { page, see, server } = stage;
    server.advance(day + 3600);
    const { id } = (await server.owner.get('/v1/webhooks')).body.items[0];
    const parked = () => server.owner.get(`/v1/webhooks/${id}/deliveries?status=parked`);
    await until(
      async () => (await parked()).body.items.length > 0,
      () => run('deliver'),
    );
    // A day later the session is over.
    await page.reload();
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
    await page.getByRole('heading', { name: 'The SIEM' }).waitFor();
    await view('Parked');
    const row = page.getByRole('row', { name: /segment:hall/ });
    await row.getByText('parked', { exact: true }).waitFor();
    await see('webhook-parked');
    receiver.set(() => 204);
    await row.getByRole('button', { name: 'Tell again' }).click();
    await page.getByText('is told again, for another 24 hours').waitFor();
    await row.waitFor({ state: 'detached' });
    await until(
      async () => receiver.received.at(-1)?.json.subject === 'segment:hall',
      () => run('deliver'),
    );
  });

  it('a queue that is full says since when', async () => {
    const { page, see, server } = stage;
    const { id } = (await server.owner.get('/v1/webhooks')).body.items[0];
    await server.database.client.receiver.update({ where: { id }, data: { fullSince: server.now() } });
    await page.reload();
    await page.getByText('Its queue is full').waitFor();
    await see('webhook-full');
    await server.database.client.receiver.update({ where: { id }, data: { fullSince: null } });
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('It is on').uncheck();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('off', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Delete…' }).click();
    await page.getByLabel('Type delete to confirm').fill('delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No program hears of what happens').waitFor();
  });

  it('names of rules, channels and webhooks are text, whatever they are', async () => {
    const { page, open, server, complaints } = stage;
    const name = evil.slice(0, 64);
    const channel = { name, type: 'webhook', url: receiver.url };
    const { id } = (await server.owner.post('/v1/alerts/channels', channel)).body;
    const rule = {
      name,
      metric: 'devices.waiting',
      condition: 'equals',
      threshold: 0,
      severity: 'info',
      channels: [id],
    };
    expect((await server.owner.post('/v1/alerts/rules', rule)).status).toBe(201);
    const webhook = { url: `${receiver.url}?${encodeURI(evil)}`, types: ['audit.*'], description: evil };
    const made = await server.owner.post('/v1/webhooks', webhook);
    expect(made.status, made.text).toBe(201);
    await evaluate();
    const pages = ['/', '/alerts', '/alerts/rules', '/alerts/channels', '/webhooks', `/webhooks/${made.body.id}`];
    for (const path of pages) {
      await open(path);
      await page.getByText('<img src=x').first().waitFor();
      expect(await page.evaluate('[window.harmed ?? null, document.querySelectorAll("img").length]'), path).toEqual([
        null,
        0,
      ]);
      await expectAccessible(page);
    }
    expect(complaints).toEqual([]);
  });
});
