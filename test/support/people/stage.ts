import { expect } from 'vitest';
import type { DatabaseKind } from '../databases/databases.js';
import { startServer, type TestServer } from '../server.js';
import { openBrowser, type Browser } from './browser.js';
import { startProvider, visitProvider, type OidcServer } from './provider.js';

/** How the server under test is known at the provider. */
export const client = { id: 'thingward', secret: 'a-secret-of-the-client' };

/** Somebody whom the provider calls an admin. */
export const admin = (sub: string) => ({ sub, claims: { groups: ['admins'], preferred_username: `user ${sub}` } });

type Known = { id: string; redirectUri: string; backchannelLogoutUri: string };

export type Stage = Awaited<ReturnType<typeof setStage>>;

/** A server and a provider that know each other, and what browsers do between them. */
export async function setStage(kind: DatabaseKind, settings: Record<string, string> = {}) {
  const server = await startServer(kind, { THINGWARD_OUTBOUND_ALLOW: '127.0.0.1', ...settings });
  const idp = await startProvider(client);
  const made = await server.owner.post('/v1/sign-in/providers', {
    name: 'works',
    issuer: idp.issuer,
    clientId: client.id,
    clientSecret: client.secret,
    roleMapping: { admins: 'admin', readers: 'auditor' },
  });
  expect(made.status, made.text).toBe(201);
  const provider = made.body as Known;
  idp.register(provider);
  return { server, idp, provider, ...actsBetween(server, provider), stop: () => stopBoth(server, idp) };
}

async function stopBoth(server: TestServer, idp: OidcServer): Promise<void> {
  await idp.stop();
  await server.stop();
}

function actsBetween(server: TestServer, provider: Known) {
  /** As a browser that follows nobody: the answer, with its cookies kept. */
  const look = async (browser: Browser, url: string) => {
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!;
      browser.cookies.set(name!, value!);
    }
    const text = await response.text();
    return { status: response.status, text, body: text ? JSON.parse(text) : undefined, headers: response.headers };
  };

  const begin = (browser: Browser, query = '') => look(browser, `${server.url}/v1/sign-in/oidc/${provider.id}${query}`);

  /** Everything until the browser is sent back; what it brings then is returned. */
  const goThere = async (browser: Browser, query = ''): Promise<string> => {
    const sent = await begin(browser, query);
    expect(sent.status, sent.text).toBe(302);
    return visitProvider(sent.headers.get('location')!, (url) => url.startsWith(provider.redirectUri));
  };

  const comeBack = (browser: Browser, url: string) => {
    const { pathname, search } = new URL(url);
    return look(browser, `${server.url}${pathname}${search}`);
  };

  const signIn = async (browser = openBrowser(server)) => {
    const answer = await comeBack(browser, await goThere(browser));
    return { browser, answer };
  };

  return {
    begin,
    goThere,
    comeBack,
    signIn,
    async signedIn(): Promise<Browser> {
      const { browser, answer } = await signIn();
      expect([answer.status, answer.headers.get('location')], answer.text).toEqual([303, '/console/']);
      return browser;
    },
    async configure(change: object): Promise<void> {
      const answer = await server.owner.send('PATCH', `/v1/sign-in/providers/${provider.id}`, change);
      expect(answer.status, answer.text).toBe(200);
    },
    isIn: async (browser: Browser): Promise<boolean> => (await browser.get('/v1/me')).status === 200,
  };
}
