import { createHash, randomUUID, type KeyObject, type X509Certificate } from 'node:crypto';
import { numericDate, systemClock, type Clock } from '../clock.js';
import { encodeCsr } from '../pki/csr/encode.js';
import { readPem } from '../pki/pem.js';
import { untilDecided, type Patience, type Wait } from './approval.js';
import { call, isPassing } from './client.js';
import type { Trust } from './connection.js';
import { AgentError, LaterError, UsageError } from './errors.js';
import { signJwt } from './jwt.js';
import { askToBoot, offsetTo, type Credential } from './asking.js';
import type { RenewalWish } from './renewal-order.js';
import { isExpired, isRenewalDue } from './renewal-time.js';
import { learn, trustOf, type Told } from './trust.js';
import { openFolder, type AgentState, type AgentTokens, type Folder } from './folder.js';

export type { Patience, Wait } from './approval.js';
export type { ManufacturerCertificate } from './manufacturer.js';
export { AgentError, LaterError } from './errors.js';
export { isExpired, isRenewalDue } from './renewal-time.js';

/** Where the agent keeps its files, and whom it trusts. */
export type AgentOptions = Trust & { out: string; clock?: Clock };

/** What a first boot needs. */
export type ProvisionOptions = AgentOptions &
  Patience & {
    server: string;
    /** The one-time code of an expected thing. */
    code?: string | undefined;
    thingType?: string | undefined;
    attributes?: Record<string, string> | undefined;
  } & Credential;

/** What a device is after an operation: certificate and key lie in the folder. */
export type Identity = { thingName: string; account: string; serialNumber: string; notAfter: Date };

type CertificateAnswer = {
  thing: { name: string; account: string };
  certificate: { pem: string; chainPem: string };
  token?: { accessToken: string; expiresIn: number; refreshToken: string };
  serverTime: string;
  links: { token: string; renew: string };
  trust?: string;
};

type TokenAnswer = { access_token: string; expires_in: number; refresh_token?: string };

const json = { 'content-type': 'application/json' };
const tokenMarginSeconds = 60;

/**
 * First boot: makes a key in `out`, has it certified, and writes certificate, chain and tokens beside it. Where the
 * enrollment needs approval, it waits until an operator has decided.
 * Run again after a kill at any moment it resumes with the same key and gets the same certificate; run
 * again after success it does nothing, until the certificate has expired: then it renews or provisions again. @throws AgentError
 * @example
 * const { serialNumber } = await provision({ server: 'https://things.example.com', enrollment, name: 'pump-7', out: 'device' });
 */
export async function provision(options: ProvisionOptions): Promise<Identity> {
  const folder = openFolder(options.out, { create: true });
  const present = folder.certificate();
  if (!present) return firstBoot(options, folder);
  const { state } = folder.requireIdentity();
  if (!isExpired(present, serverSeconds(options, state))) return identityOf(state, present);
  return renew(options).catch(async (error: unknown) => {
    if (isPassing(error)) throw error;
    const expired = `the certificate in ${options.out} expired at ${new Date(present.validTo).toISOString()}`;
    return firstBoot(options, folder).catch((again: unknown) => {
      const reasons = `renewing: ${(error as Error).message}; provisioning again: ${(again as Error).message}`;
      const Kind = isPassing(again) ? LaterError : AgentError;
      throw new Kind(`${expired}. ${reasons}`, again instanceof AgentError ? again.code : undefined);
    });
  });
}

async function firstBoot(options: ProvisionOptions, folder: Folder): Promise<Identity> {
  const csr = encodeCsr(folder.deviceKey());
  const { name: thingName, thingType, attributes, code, ca } = options;
  const wanted = { thingName, thingType, csr, attributes, code };
  // A server behind a path keeps it.
  const server = addressOf(options.server);
  const trust = trustOf(options, folder);
  const clock = options.clock ?? systemClock;
  const ask = () => askToBoot<CertificateAnswer | Wait>(options, { server, wanted, trust, clock });
  const answer = await untilDecided(ask, options);
  const now = clock();
  const { name, account } = answer.thing;
  const clockOffset = offsetTo(answer.serverTime, now);
  const { token: tokenUrl, renew: renewUrl } = answer.links;
  const state: AgentState = {
    server: options.server,
    thing: { name, account },
    links: { token: tokenUrl, renew: renewUrl },
    clockOffset,
    ...(ca === undefined ? {} : { pinned: true }),
  };
  const tokens = answer.token && {
    ...tokensOf(answer.token.accessToken, answer.token.expiresIn, now, clockOffset),
    refreshToken: answer.token.refreshToken,
  };
  if (ca !== undefined && folder.trust() === undefined) folder.writeTrust(ca);
  folder.writeIdentity(state, tokens, answer.certificate.pem, answer.certificate.chainPem);
  return identityOf(state, folder.certificate()!);
}

/**
 * An access token that is valid for another minute at least: the one at hand, a refreshed one, or a new one. @throws AgentError
 * @example
 * const authorization = `Bearer ${await accessToken({ out: 'device' })}`;
 */
export async function accessToken(options: AgentOptions): Promise<string> {
  const folder = openFolder(options.out);
  const { state, certificate } = folder.requireIdentity();
  const known = folder.tokens();
  if (known && isFresh(known, serverSeconds(options, state))) return known.accessToken;
  // Renewing asks for a token with the new key.
  if (isExpired(certificate, serverSeconds(options, state))) {
    await renew(options);
    return folder.tokens()!.accessToken;
  }
  const refreshed = known?.refreshToken === undefined ? undefined : await refresh(options, folder, known.refreshToken);
  return (refreshed ?? (await clientCredentials(options, folder))).accessToken;
}

/**
 * Renews the certificate with a new key when two thirds of its life are over or a little earlier, or at once with `force`.
 * Safe to kill and run again. Returns the identity that is valid now. @throws AgentError
 * @example
 * const { renewed, notAfter } = await renew({ out: 'device' });
 */
export async function renew(options: AgentOptions & { force?: boolean }): Promise<Identity & { renewed: boolean }> {
  const folder = openFolder(options.out);
  const { state, certificate } = folder.requireIdentity();
  if (!options.force && !isRenewalDue(certificate, serverSeconds(options, state)))
    return { ...identityOf(state, certificate), renewed: false };
  const csr = encodeCsr(folder.nextKey());
  const csrSha256 = createHash('sha256').update(readPem(csr)[0]!.der).digest('base64url');
  const answer = await withAssertion(options, folder, 'renew+jwt', { csr_sha256: csrSha256 }, (proof) =>
    call<CertificateAnswer>(
      state.links.renew,
      { method: 'POST', headers: json, body: JSON.stringify({ csr, proof }) },
      trustOf(options, folder),
    ),
  );
  folder.replaceIdentity(answer.certificate.pem, answer.certificate.chainPem);
  learn(folder, answer);
  // The first word signed with the new key ends the old certificate.
  await clientCredentials(options, folder);
  return { ...identityOf(state, folder.certificate()!), renewed: true };
}

/**
 * Asks the server what it knows of this device, and keeps where the server is and whom to trust from now on. Returns since
 * when it is asked to renew, if it is, and the time of the server. @throws AgentError
 * @example
 * const { renewAt } = await lookUp({ out: 'device' });
 */
export async function lookUp(options: AgentOptions): Promise<RenewalWish> {
  const token = await accessToken(options);
  const folder = openFolder(options.out);
  const url = folder.requireIdentity().state.links.token.replace(/\/v1\/token$/, '/v1/self');
  const headers = { authorization: `Bearer ${token}` };
  const told = await call<Told & RenewalWish>(url, { method: 'GET', headers }, trustOf(options, folder));
  learn(folder, told);
  const { renewAt, serverTime } = told;
  return { ...(renewAt === undefined ? {} : { renewAt }), ...(serverTime === undefined ? {} : { serverTime }) };
}

function addressOf(server: string): string {
  if (!URL.canParse(server))
    throw new UsageError(`${server} is no address of a server: write it as https://things.example.com`);
  let end = server.length;
  while (server[end - 1] === '/') end--;
  return server.slice(0, end);
}

// More life left than it was given means that this machine's clock was set back: then it proves nothing.
function isFresh({ expiresAt, expiresIn }: AgentTokens, at: number): boolean {
  const left = expiresAt - at;
  return left > tokenMarginSeconds && left <= expiresIn;
}

async function refresh(options: AgentOptions, folder: Folder, refreshToken: string): Promise<AgentTokens | undefined> {
  try {
    // With the assertion a lost answer can be asked for again.
    return await requestToken(options, folder, { grant_type: 'refresh_token', refresh_token: refreshToken });
  } catch (error) {
    if (error instanceof AgentError && error.code === 'invalid-grant') return undefined;
    throw error;
  }
}

function clientCredentials(options: AgentOptions, folder: Folder): Promise<AgentTokens> {
  return requestToken(options, folder, { grant_type: 'client_credentials' });
}

async function requestToken(
  options: AgentOptions,
  folder: Folder,
  grant: Record<string, string>,
): Promise<AgentTokens> {
  const { state } = folder.requireIdentity();
  const answer = await withAssertion(options, folder, 'client-authentication+jwt', {}, (assertion) => {
    const client = {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    };
    return call<TokenAnswer>(
      state.links.token,
      { method: 'POST', headers: json, body: JSON.stringify({ ...grant, ...client }) },
      trustOf(options, folder),
    );
  });
  const now = (options.clock ?? systemClock)();
  const offset = folder.requireIdentity().state.clockOffset;
  const rest = answer.refresh_token === undefined ? {} : { refreshToken: answer.refresh_token };
  const tokens = { ...tokensOf(answer.access_token, answer.expires_in, now, offset), ...rest };
  folder.writeTokens(tokens);
  return tokens;
}

/** Signs an assertion by the server's clock; when the server says that the clock moved, learns it and tries once more. */
async function withAssertion<Answer>(
  options: AgentOptions,
  folder: Folder,
  typ: string,
  claims: object,
  use: (jwt: string) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await use(signAssertion(options, folder, typ, claims));
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== 'invalid-client' || error.serverTime === undefined)
      throw error;
    const { state } = folder.requireIdentity();
    const clockOffset = offsetTo(error.serverTime, (options.clock ?? systemClock)());
    if (Math.abs(clockOffset - state.clockOffset) < 5) throw error;
    folder.writeState({ ...state, clockOffset });
    return use(signAssertion(options, folder, typ, claims));
  }
}

function signAssertion(options: AgentOptions, folder: Folder, typ: string, claims: object): string {
  const { state, certificate } = folder.requireIdentity();
  const key: KeyObject = folder.deviceKey();
  const subject = `${state.thing.account}/${state.thing.name}`;
  const iat = serverSeconds(options, state);
  const header = { typ, 'x5t#S256': createHash('sha256').update(certificate.raw).digest('base64url') };
  return signJwt(key, header, {
    ...claims,
    iss: subject,
    sub: subject,
    aud: new URL(state.links.token).href.replace(/\/v1\/token$/, ''),
    jti: randomUUID(),
    iat,
    exp: iat + 120,
  });
}

function serverSeconds({ clock = systemClock }: AgentOptions, { clockOffset }: AgentState): number {
  return numericDate(clock()) + clockOffset;
}

function tokensOf(token: string, expiresIn: number, now: Date, clockOffset: number): AgentTokens {
  return { accessToken: token, expiresAt: numericDate(now) + clockOffset + expiresIn, expiresIn };
}

function identityOf({ thing }: AgentState, certificate: X509Certificate): Identity {
  return {
    thingName: thing.name,
    account: thing.account,
    serialNumber: certificate.serialNumber.toLowerCase(),
    notAfter: new Date(certificate.validTo),
  };
}
