import { afterAll, beforeAll, expect, it } from 'vitest';
import { openConsole, type ConsoleStage } from '../../support/console/stage.js';
import { provision } from '../../support/fleet.js';
import { describeWith } from '../../support/programs.js';

describeWith(['chromium'], 'enrolling in the console', () => {
  let stage: ConsoleStage;
  beforeAll(async () => {
    stage = await openConsole();
  });
  afterAll(() => stage?.stop());

  it('ends in a command, a QR code and a live list, where a device that waits is approved', async () => {
    const { page, see, server } = stage;
    await page.getByRole('link', { name: 'Enroll', exact: true }).click();
    await page.getByText('No device can come in yet').waitFor();
    await see('enrollments-none');
    await page.getByRole('link', { name: 'Enroll devices' }).first().click();
    await page.getByLabel('Their names').fill('pump-*');
    await page.getByLabel('Each device waits until somebody approves it').check();
    await see('enroll-which');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByLabel('actuator').check();
    await page.getByLabel('Attributes').fill('site=berlin');
    await see('enroll-rights');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('site = berlin').waitFor();
    await see('enroll-check');
    await page.getByRole('button', { name: 'Create the enrollment' }).click();
    await page.getByText(/thingward agent provision --server/).waitFor();
    await page.getByRole('img', { name: /QR code/ }).waitFor();
    await page.getByText(/None yet/).waitFor();
    const token = /twe_\S+/.exec((await page.getByText(/thingward agent/).textContent())!)![0];
    const { answer } = await provision(server, token, 'pump-7');
    expect(answer.status).toBe(202);
    await stage.comes(page.getByRole('heading', { name: 'pump-7' }));
    await see('enrolled');
    await page.getByRole('button', { name: 'Approve' }).click();
    // The device asks again, and gets its certificate.
    await expect.poll(async () => (await server.owner.get('/v1/things/pump-7')).status).toBe(200);
    await stage.comes(page.getByRole('link', { name: 'pump-7' }));
    expect((await server.owner.get('/v1/things/pump-7')).body).toMatchObject({
      attributes: { site: 'berlin' },
      policies: ['sensor', 'actuator'],
    });
  });

  it('an enrollment shows who came, and is revoked', async () => {
    const { page, see, server } = stage;
    await page.getByRole('link', { name: 'Its page' }).click();
    await page.getByRole('link', { name: 'pump-7' }).waitFor();
    await see('enrollment');
    await page.getByRole('button', { name: 'Revoke…' }).click();
    await page.getByLabel('Also revoke the things that it let in').check();
    await page.getByText('1 things lose their certificates at once.').waitFor();
    await see('enrollment-revoke');
    await page.getByLabel('Type revoke to confirm').fill('revoke');
    await page.getByRole('button', { name: 'Revoke it and its things' }).click();
    await page.getByText('revoked').first().waitFor();
    await expect.poll(async () => (await server.owner.get('/v1/things/pump-7')).body.status).toBe('revoked');
  });
});
