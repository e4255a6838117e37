import { createHash, createPublicKey } from 'node:crypto';
import { chromium, type Browser, type Page } from 'playwright-core';

export type { Page } from 'playwright-core';

/** What a page did that somebody should know of. */
export type Watched = { page: Page; errors: string[]; hosts: Set<string> };

type Options = {
  /** The certificate that the browser accepts, PEM. Any other one ends the connection. */
  certificate: string;
  /** `HOST:PORT` as the page names it, and where its connections go. Other names do not exist. */
  route: { from: string; to: string };
};

/** Starts the Chromium of this machine, without a window. */
export function startBrowser({ certificate, route }: Options): Promise<Browser> {
  const key = createPublicKey(certificate).export({ type: 'spki', format: 'der' });
  const pin = createHash('sha256').update(key).digest('base64');
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Chromium starts no sandbox for root, who runs CI.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      `--ignore-certificate-errors-spki-list=${pin}`,
      `--host-resolver-rules=MAP ${route.from} ${route.to}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    ],
  });
}

/** Opens a page, and notes what it complains of and which hosts it asks. */
export async function openPage(browser: Browser, url: string): Promise<Watched> {
  const page = await browser.newPage({ viewport: { width: 900, height: 820 } });
  const errors: string[] = [];
  const hosts = new Set<string>();
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (line) => void (line.type() === 'error' && errors.push(line.text())));
  page.on('request', (request) => hosts.add(new URL(request.url()).host));
  page.on('websocket', (socket) => hosts.add(new URL(socket.url()).host));
  await page.goto(url);
  return { page, errors, hosts };
}
