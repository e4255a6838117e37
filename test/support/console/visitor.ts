import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';
import { expect } from 'vitest';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Starts the Chromium of this machine, without a window. It knows `localhost` and no other name. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Chromium starts no sandbox for root, who runs CI.
    chromiumSandbox: process.getuid?.() !== 0,
    args: ['--host-resolver-rules=MAP localhost 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });
}

export type Visitor = {
  page: Page;
  /** What the page complained of: its policy, failed scripts, requests to elsewhere. */
  complaints: string[];
};

type Look = { width?: number; dark?: boolean };

/** Opens an empty page with an authenticator that holds passkeys and unlocks by itself. */
export async function visit(
  browser: Browser,
  site: string,
  { width = 1440, dark = false }: Look = {},
): Promise<Visitor> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: dark ? 'dark' : 'light',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (line) => {
    // That nobody is signed in is an answer, which Chromium writes down as an error of its own.
    const isAnswer = line.text().startsWith('Failed to load resource') && line.location().url.includes('/v1/');
    if (line.type() === 'error' && !isAnswer) complaints.push(line.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && url.origin !== site) complaints.push(`asked ${request.url()}`);
  });
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { page, complaints };
}

type Finding = { id: string; impact: string | null; nodes: { html: string }[] };

/** Nothing on the page keeps somebody from it who sees or moves otherwise, as far as axe can tell. */
export async function expectAccessible(page: Page): Promise<void> {
  // By the DevTools protocol: the policy of the page allows no other script.
  await page.evaluate(axe);
  const findings = await page.evaluate<Finding[]>('axe.run().then((result) => result.violations)');
  const serious = findings.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
}

/** Keeps a picture where `CONSOLE_PICTURES` names a folder, for people to look at. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['CONSOLE_PICTURES'];
  if (folder) await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}
