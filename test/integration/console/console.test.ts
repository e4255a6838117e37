import { readFileSync, statSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectAccessible, picture, startChromium, visit, type Visitor } from '../../support/console/visitor.js';
import { enroll, provision } from '../../support/fleet.js';
import { siteOfTest } from '../../support/people/browser.js';
import { describeWith } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';

describeWith(['chromium'], 'the console in Chromium', () => {
  let server: TestServer;
  let browser: Browser;
  let visitor: Visitor;
  let site: string;
  beforeAll(async () => {
    server = await startServer('embedded');
    site = siteOfTest(server);
    browser = await startChromium();
    visitor = await visit(browser, site);
    const { token } = await enroll(server);
    for (let number = 0; number < 60; number++) await provision(server, token, `pump-${number}`);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  const see = async (name: string) => {
    await expectAccessible(visitor.page);
    await picture(visitor.page, name);
    expect(visitor.complaints, name).toEqual([]);
  };

  it('serves pages under a strict policy, with a new nonce each time, and assets for ever', async () => {
    const answers = await Promise.all(['/console/', '/console/things/pump-1'].map((path) => fetch(`${site}${path}`)));
    const policies = answers.map(({ headers }) => headers.get('content-security-policy')!);
    const nonces = policies.map((policy) => /'nonce-([^']+)'/.exec(policy)![1]!);
    expect(new Set(nonces).size).toBe(2);
    expect(policies[0]!.replace(nonces[0]!, 'N')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-N'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    );
    const text = await answers[0]!.text();
    expect(text).toContain(`nonce="${nonces[0]!}"`);
    expect(answers[0]!.headers.get('cache-control')).toBe('no-store');
    const asset = /src="(\/console\/assets\/[^"]+\.js)"/.exec(text)![1]!;
    const { status, headers } = await fetch(`${site}${asset}`, { headers: { 'accept-encoding': 'br' } });
    expect([status, headers.get('content-encoding')]).toEqual([200, 'br']);
    expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(Number(headers.get('content-length'))).toBeLessThan(200_000);
    for (const path of ['/console/assets/none.js', '/console/assets/..%2f.built-from'])
      expect((await fetch(`${site}${path}`)).status, path).toBe(404);
  });

  it('the first load has at most 200 kB, and neither the editor nor the charts', async () => {
    const folder = new URL('../../../dist/console/', import.meta.url);
    const text = await (await fetch(`${site}/console/`)).text();
    const first = [...text.matchAll(/"\/console\/(assets\/[^"]+\.(?:js|css))"/g)].map(([, path]) => path!);
    expect(first.length).toBeGreaterThan(1);
    const octets = first.map((path) => statSync(new URL(`${path}.gz`, folder)).size);
    const sum = octets.reduce((all, each) => all + each, 0);
    expect(sum).toBeGreaterThan(50_000);
    expect(sum).toBeLessThan(200_000);
    const scripts = first.map((path) => readFileSync(new URL(path, folder), 'utf8'));
    expect(scripts.filter((script) => /cm-content|u-legend\b.*uplot/.test(script))).toEqual([]);
  });

  it('the first link makes a person with a passkey', async () => {
    const { page } = visitor;
    await page.goto(server.ownerLink!);
    await page.getByLabel('Your name').fill('Ada');
    await see('welcome');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('Password with an authenticator app').click();
    await page.getByRole('img', { name: /QR code/ }).waitFor();
    await see('welcome-ways');
    await page.getByRole('button', { name: 'Create a passkey' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.getByRole('link', { name: '60 active' }).waitFor();
    expect(page.url()).toBe(`${site}/console/`);
    await see('overview');
  });

  it('a thing is found, and revoked by its name', async () => {
    const { page } = visitor;
    await page.getByRole('link', { name: 'Things', exact: true }).click();
    await page.getByRole('link', { name: 'Next page' }).click();
    await page.getByRole('link', { name: 'First page' }).waitFor();
    await page.getByLabel('Name contains').fill('PUMP-17');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.waitForURL(/search=PUMP-17/);
    await page.getByRole('link', { name: 'pump-17', exact: true }).waitFor();
    await see('things');
    await page.getByRole('link', { name: 'pump-17', exact: true }).click();
    await page.getByRole('button', { name: 'Suspend' }).click();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Revoke…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Certificates: 1').waitFor();
    const revoke = dialog.getByRole('button', { name: 'Revoke' });
    expect(await revoke.isDisabled()).toBe(true);
    await dialog.getByLabel('Type pump-17 to confirm').fill('pump-17');
    await see('revoke');
    await revoke.click();
    await page.getByText(/the server enforces it/).waitFor();
    await page.getByRole('cell', { name: 'cessationOfOperation' }).waitFor();
    await page.getByText('thing.provision').waitFor();
    await see('thing');
    expect((await server.owner.get('/v1/things/pump-17')).body.status).toBe('revoked');
  });

  it('somebody signs out, and in again with the passkey, and comes to where they were going', async () => {
    const { page } = visitor;
    await page.goto(`${site}/console/waiting`);
    await page.getByText(/No device waits/).waitFor();
    await see('waiting');
    await page.getByRole('link', { name: /Ada/ }).click();
    await page.getByText('this one').waitFor();
    await see('me');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in to Thingward' }).waitFor();
    await page.goto(`${site}/console/things/pump-18`);
    await page.getByRole('button', { name: 'Sign in with a passkey' }).waitFor();
    await see('sign-in');
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
    await page.getByRole('heading', { name: 'pump-18' }).waitFor();
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.getByText('No session is reported').waitFor();
    await see('thing-dark-phone');
    for (const place of ['', 'things', 'waiting', 'me']) {
      await page.goto(`${site}/console/${place}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForLoadState('networkidle');
      await see(`phone-${place || 'overview'}`);
      const sticksOut = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
      expect(sticksOut, place).toBe(false);
    }
  });
});
