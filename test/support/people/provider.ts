import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT, decodeJwt, type JWK } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';
import { freePort } from '../ports.js';

/** What the provider says of whoever signs in next. */
export type Subject = { sub: string; claims?: Record<string, unknown>; acr?: string; amr?: string[] };

/** What becomes of an ID token before it is handed out: claims to change, and perhaps another key. */
export type Forgery = { claims?: Record<string, unknown>; key?: 'unknown' };

export type OidcServer = Awaited<ReturnType<typeof startProvider>>;

const signed = { alg: 'ES256', use: 'sig' };
const newKey = async (kid: string) => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(privateKey)), ...signed, kid } as JWK };
};

/** oidc-provider on a port, whose people sign in without being asked. It can be made to misbehave. */
export async function startProvider(client: { id: string; secret: string }) {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  let subject: Subject = { sub: 'nobody' };
  let forgery: Forgery = {};
  let redirectUris: string[] = [`${issuer}/unused`];
  let logoutUri: string | undefined;
  let grantsRefresh = true;
  let key = await newKey('key-1');
  let rollovers = 1;
  let provider: Provider;
  const requests: string[] = [];

  const sign = (payload: Record<string, unknown>, typ: string, privateKey = key.privateKey) =>
    new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: key.jwk.kid!, typ }).sign(privateKey);

  const forge = async (token: string): Promise<string> => {
    const payload = { ...decodeJwt(token), ...forgery.claims };
    const other = forgery.key === 'unknown' ? (await newKey('other')).privateKey : undefined;
    return sign(payload, 'JWT', other);
  };

  const make = (): Provider => {
    const made = new Provider(issuer, configuration());
    made.use(async (ctx, next) => {
      await next();
      const body = ctx.body as { id_token?: string } | undefined;
      if (ctx.path === '/token' && body?.id_token) body.id_token = await forge(body.id_token);
    });
    return made;
  };

  const configuration = (): Configuration => ({
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: redirectUris,
        grant_types: ['authorization_code', 'refresh_token'],
        id_token_signed_response_alg: 'ES256',
        ...(logoutUri ? { backchannel_logout_uri: logoutUri, backchannel_logout_session_required: true } : {}),
      },
    ],
    jwks: { keys: [key.jwk] },
    cookies: { keys: ['test'] },
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
    claims: { openid: ['sub', 'groups'], profile: ['preferred_username', 'name'], email: ['email', 'email_verified'] },
    enabledJWA: { idTokenSigningAlgValues: ['ES256', 'RS256'] },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    issueRefreshToken: async () => grantsRefresh,
    findAccount: async (_ctx, sub) => ({ accountId: sub, claims: async () => ({ sub, ...subject.claims }) }),
    async loadExistingGrant(ctx) {
      const { session, client: known } = ctx.oidc;
      const grant = new ctx.oidc.provider.Grant({ accountId: session!.accountId!, clientId: known!.clientId });
      grant.addOIDCScope('openid profile email offline_access');
      await grant.save();
      return grant;
    },
  });

  const interact = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const login = {
      accountId: subject.sub,
      ...(subject.acr ? { acr: subject.acr } : {}),
      ...(subject.amr ? { amr: subject.amr } : {}),
    };
    await provider.interactionFinished(request, response, { login });
  };

  provider = make();
  const server = createServer((request, response) => {
    requests.push(request.url!);
    if (request.url!.startsWith('/interaction/'))
      void interact(request, response).catch((error: unknown) => response.destroy(error as Error));
    else void provider.callback()(request, response);
  });
  const listen = () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen();

  return {
    issuer,
    /** Tells the provider where the server under test is. */
    register(uris: { redirectUri: string; backchannelLogoutUri: string }): void {
      redirectUris = [uris.redirectUri];
      logoutUri = uris.backchannelLogoutUri;
      provider = make();
    },
    /** Says who signs in next, and forgets what it was made to do. */
    expect(next: Subject): void {
      subject = next;
      forgery = {};
    },
    forge: (next: Forgery): void => void (forgery = next),
    refreshing: (isGranted: boolean): void => void (grantsRefresh = isGranted),
    /** From now on another key signs, and the old one is gone. */
    async rollOver(): Promise<void> {
      key = await newKey(`key-${++rollovers}`);
      provider = make();
    },
    /** Forgets every grant, as when somebody left. */
    forget: (): void => void (provider = make()),
    sign,
    requests: () => requests.splice(0),
    async away(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
    back: listen,
    async stop(): Promise<void> {
      if (!server.listening) return;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Does at the provider what a browser does there, and returns the URL that it sends the browser back to. */
export async function visitProvider(url: string, until: (location: string) => boolean): Promise<string> {
  const cookies = new Map<string, string>();
  for (let location = url, hops = 0; hops < 10; hops++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(location, { redirect: 'manual', headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!;
      cookies.set(name!, value!);
    }
    const next = answer.headers.get('location');
    if (next === null) throw new Error(`the provider answered ${answer.status}: ${await answer.text()}`);
    location = new URL(next, location).href;
    if (until(location)) return location;
  }
  throw new Error('the provider sends the browser in circles');
}
