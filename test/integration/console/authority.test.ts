import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { createManufacturer } from '../../support/provisioning/manufacturer.js';
import { describeWith } from '../../support/programs.js';

describeWith(['chromium', 'openssl'], 'devices of a manufacturer in the console', () => {
  let stage: ConsoleStage;
  let works: ReturnType<typeof createManufacturer>;
  beforeAll(async () => {
    works = createManufacturer();
    stage = await openConsole();
  });
  afterAll(async () => {
    await stage?.stop();
    works?.remove();
  });

  it('an authority is named, its key proved by the code, and the enrollment shows that', async () => {
    const { page, see, server } = stage;
    await page.getByRole('link', { name: 'Enroll', exact: true }).click();
    await page.getByRole('link', { name: 'By their manufacturer' }).click();
    await see('authority');
    await page
      .getByLabel('Certificates of the authority')
      .fill('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----');
    await page.getByRole('button', { name: 'Get the code' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Certificates of the authority').fill(works.pem);
    await page.getByRole('button', { name: 'Get the code' }).click();
    await page.getByRole('heading', { name: 'Show that the authority is yours' }).waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await see('authority-code');
    const code = (await page.locator('.copy code').first().textContent())!;
    await page.getByLabel('The certificate that it signed').fill(works.verification(code.slice(1)));
    await page.getByRole('button', { name: 'Create the enrollment' }).click();
    await page.getByRole('alert').waitFor();
    await see('authority-refused');
    expect((await server.owner.get('/v1/enrollments')).body.items).toEqual([]);
    await page.getByLabel('The certificate that it signed').fill(works.verification(code));
    await page.getByRole('button', { name: 'Create the enrollment' }).click();
    await page.getByText('a certificate of their manufacturer').waitFor();
    await page.getByText('proved', { exact: true }).waitFor();
    await see('authority-enrollment');
    const [made] = (await server.owner.get('/v1/enrollments')).body.items;
    expect(made).toMatchObject({ kind: 'ca', ca: { isProved: true, thingName: 'meter-{serialNumber}' } });
  });

  it('without a proof it admits expected things only', async () => {
    const { page, open, server } = stage;
    await open('/enroll/authority');
    await page.getByLabel('Certificates of the authority').fill(works.pem);
    await page.getByLabel('Which of its devices').selectOption('expected');
    await page.getByRole('button', { name: 'Create the enrollment' }).click();
    await page.getByText('not proved: expected things only').waitFor();
    const { items } = (await server.owner.get('/v1/enrollments')).body;
    expect(items).toHaveLength(2);
    expect(items.some((each: { expectedOnly?: boolean }) => each.expectedOnly)).toBe(true);
  });
});
