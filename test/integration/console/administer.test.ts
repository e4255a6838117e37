import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { describeWith } from '../../support/programs.js';

describeWith(['chromium'], 'looking after an account in the console', () => {
  let stage: ConsoleStage;
  beforeAll(async () => {
    stage = await openConsole();
  });
  afterAll(() => stage?.stop());
  const go = (name: string) => stage.page.getByRole('link', { name, exact: true }).click();

  it('a key is made, shown once, renamed and deleted by its name', async () => {
    const { page, see, server } = stage;
    await go('Keys');
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name', { exact: true }).fill('gate');
    await see('key-new');
    await page.getByRole('button', { name: 'Create' }).click();
    const key = (await page.getByText(/^twk_/).textContent())!;
    expect((await server.as(key).get('/v1/revocations')).status).toBe(200);
    await page.getByRole('button', { name: 'I have kept it' }).click();
    const row = page.getByRole('row', { name: /gate/ });
    await row.waitFor();
    await see('keys');
    await row.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Description').fill('at the north gate');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('at the north gate').waitFor();
    await row.getByRole('button', { name: 'Delete…' }).click();
    await page.getByLabel('Type gate to confirm').fill('gate');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await row.waitFor({ state: 'detached' });
    expect((await server.as(key).get('/v1/revocations')).status).toBe(401);
  });

  it('somebody is invited, changed and deleted', async () => {
    const { page, see, server } = stage;
    await go('People');
    await page.getByRole('button', { name: 'Invite somebody' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Bob');
    await page.getByRole('button', { name: 'Invite', exact: true }).click();
    await page.getByText(/welcome#twl_/).waitFor();
    await see('person-link');
    await page.getByRole('button', { name: 'Done' }).click();
    const row = page.getByRole('row', { name: /Bob/ });
    await row.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Role').selectOption('auditor');
    await page.getByRole('button', { name: 'Save' }).click();
    await row.getByText('auditor').waitFor();
    await see('people');
    await row.getByRole('button', { name: 'Delete…' }).click();
    await page.getByLabel('Type Bob to confirm').fill('Bob');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await row.waitFor({ state: 'detached' });
    expect((await server.owner.get('/v1/people')).body.items).toHaveLength(1);
  });

  it('a provider is added, and says which addresses to register at it', async () => {
    const { page, see, server } = stage;
    await go('Providers');
    await page.getByText('Nobody signs in through a provider').waitFor();
    await see('providers-none');
    await page.getByRole('button', { name: 'Add a provider' }).click();
    await page.getByLabel('Name', { exact: true }).fill('works');
    await page.getByLabel('Issuer').fill('https://127.0.0.1:1/realms/works');
    await page.getByLabel('Client id').fill('thingward');
    await page.getByLabel('Client secret').fill('secret');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'works' }).waitFor();
    await page.getByText('Addresses to register at the provider').click();
    await page.getByText(/\/backchannel-logout$/).waitFor();
    await see('providers');
    expect((await server.owner.get('/v1/sign-in/providers')).body.items[0]).toMatchObject({ name: 'works' });
  });

  it('settings: passwords are switched off, an account is made and suspended', async () => {
    const { page, see, server } = stage;
    await go('Settings');
    await page.getByLabel(/^People may sign in with a password/).click();
    await page.getByText('Passwords are off.').waitFor();
    expect((await server.owner.get('/v1/sign-in/settings')).body.passwords).toBe(false);
    await page.getByRole('button', { name: 'New account' }).click();
    await page.getByLabel('Name', { exact: true }).fill('acme');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByText(/^twk_/).waitFor();
    await page.keyboard.press('Escape');
    await see('settings');
    const row = page.getByRole('row', { name: /acme/ });
    await row.getByRole('button', { name: 'Suspend…' }).click();
    await page.getByLabel('Type acme to confirm').fill('acme');
    await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click();
    await row.getByText('suspended').waitFor();
  });

  it('AWS: a mirror that is off says what it is, and is set up', async () => {
    const { page, see, server } = stage;
    await go('AWS');
    await page.getByText('Nothing is mirrored').waitFor();
    await see('aws-off');
    await page.getByRole('button', { name: 'Set up the mirror' }).click();
    await page.getByLabel('AWS account').fill('123456789012');
    await page.getByLabel('Region').fill('eu-central-1');
    await see('aws-form');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'Comparisons' }).waitFor();
    await see('aws');
    await page.getByRole('button', { name: 'Switch off…' }).click();
    await page.getByLabel('Type off to confirm').fill('off');
    await page.getByRole('dialog').getByRole('button', { name: 'Switch off' }).click();
    await page.getByText('Nothing is mirrored').waitFor();
    expect((await server.owner.get('/v1/aws')).body.mode).toBe('off');
  });
});
