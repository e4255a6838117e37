import type { Browser, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { until } from '../monitoring/receiver.js';
import { siteOfTest } from '../people/browser.js';
import { startServer, type TestServer } from '../server.js';
import { expectAccessible, picture, startChromium, visit, type Visitor } from './visitor.js';

export type ConsoleStage = Awaited<ReturnType<typeof openConsole>>;

/** A server, a browser, and Ada, who owns the account `default` and is signed in. */
export async function openConsole(settings: Record<string, string> = {}) {
  const server: TestServer = await startServer('embedded', settings);
  const browser: Browser = await startChromium();
  const site = siteOfTest(server);
  const visitor: Visitor = await visit(browser, site);
  const { page } = visitor;
  await page.goto(server.ownerLink!);
  await page.getByLabel('Your name').fill('Ada');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('button', { name: 'Create a passkey' }).click();
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();

  return {
    server,
    browser,
    /** A page of somebody with these permissions alone, who has just signed in. */
    async invite(name: string, permissions: string[]): Promise<Page> {
      const { status, text, body } = await server.owner.post('/v1/people', { name, permissions });
      expect(status, text).toBe(201);
      const { page: theirs } = await visit(browser, site);
      await theirs.goto(body.link as string);
      await theirs.getByRole('button', { name: 'Continue' }).click();
      await theirs.getByRole('button', { name: 'Create a passkey' }).click();
      await theirs.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
      return theirs;
    },
    page,
    site,
    complaints: visitor.complaints,
    open: (path: string) => page.goto(`${site}/console${path}`),
    /** Looks at what is shown on a desk by day and on a phone by night: nobody is kept out, nothing sticks out, nothing is complained of. */
    async see(name: string): Promise<void> {
      await look(page, `${name}`);
      await page.setViewportSize({ width: 390, height: 844 });
      await page.emulateMedia({ colorScheme: 'dark' });
      await look(page, `${name}-phone`);
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 1440, height: 900 });
      expect(visitor.complaints, name).toEqual([]);
    },
    /** Waits for what the page shows by itself, once it is told that something is stale. */
    comes: (place: Locator): Promise<unknown> =>
      until(
        () => place.isVisible(),
        () => {
          server.advance(1);
          return server.services.chores.run('tell-what-is-stale');
        },
      ),
    async stop(): Promise<void> {
      await browser.close();
      await server.stop();
    },
  };
}

async function look(page: Page, name: string): Promise<void> {
  await picture(page, name);
  await expectAccessible(page);
  expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), `${name} sticks out`).toBe(false);
}
