import { createHmac, createPublicKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import * as der from '../../../src/pki/der.js';
import { oids } from '../../../src/pki/oid.js';
import { csrDer, newKey } from '../pki/csr.js';

/** An answer of the server. */
export type AcmeAnswer = {
  status: number;
  headers: Headers;
  text: string;
  /** Empty where the text is no JSON. */
  body: any;
};

/** What a test may bend of a request. */
export type Bent = {
  /** In place of, and besides, what belongs into the protected header; undefined takes a member out. */
  header?: Record<string, unknown>;
  /** Another nonce than the one that the server gave last. */
  nonce?: string;
  /** The body as it is sent. */
  body?: (jws: Record<string, string>) => unknown;
  contentType?: string;
};

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** The public half of a key as JWK. */
export const jwkOf = (key: KeyObject) => createPublicKey(key).export({ format: 'jwk' });

function schemeOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): { alg: string; digest: string | null } {
  if (asymmetricKeyType === 'rsa') return { alg: 'RS256', digest: 'sha256' };
  if (asymmetricKeyType === 'ed25519') return { alg: 'EdDSA', digest: null };
  return asymmetricKeyDetails?.namedCurve === 'secp384r1'
    ? { alg: 'ES384', digest: 'sha384' }
    : { alg: 'ES256', digest: 'sha256' };
}

/** A flattened JWS; `payload` undefined reads (POST-as-GET). */
export function signJws(key: KeyObject, header: object, payload: unknown): Record<string, string> {
  const { alg, digest } = schemeOf(key);
  const [head, body] = [encode({ alg, ...header }), payload === undefined ? '' : encode(payload)];
  const signature = sign(digest, Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' });
  return { protected: head, payload: body, signature: signature.toString('base64url') };
}

/** What an enrollment answers for clients of ACME. */
export type Eab = { kid: string; hmacKey: string };

/** The binding of a key to an enrollment (RFC 8555 §7.3.4). */
export function bindKey(
  { kid, hmacKey }: Eab,
  key: KeyObject,
  url: string,
  header: object = {},
): Record<string, string> {
  const [head, body] = [encode({ alg: 'HS256', kid, url, ...header }), encode(jwkOf(key))];
  const mac = createHmac('sha256', Buffer.from(hmacKey, 'base64url')).update(`${head}.${body}`);
  return { protected: head, payload: body, signature: mac.digest('base64url') };
}

/** A request for certificates by DNS names, as clients of ACME make it. */
export function acmeCsr(names: string[], key: KeyObject = newKey()): string {
  const values = names.map((name) => der.encode(der.primitive(2), Buffer.from(name)));
  const extension = der.sequence(oids.subjectAltName, der.octetString(der.sequence(...values)));
  return csrDer({ key, extensions: [extension] }).toString('base64url');
}

/** The certificates of a chain, the thing's first. */
export const pemsOf = (chain: string): X509Certificate[] =>
  chain.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g)!.map((each) => new X509Certificate(each));

/** What revokeCert asks for: the certificate of a chain in base64url. */
export const derOf = (chain: string): string => pemsOf(chain)[0]!.raw.toString('base64url');

/** The serial number of the certificate of a chain, as Thingward writes it. */
export const serialOf = (chain: string): string => pemsOf(chain)[0]!.serialNumber.toLowerCase();

export type AcmeClient = Awaited<ReturnType<typeof openAcme>>;

/** A client of ACME that can also break every rule. It keeps the nonce of the last answer, and asks for one when it has none. */
export async function openAcme(url: string, ask: (url: string, init?: RequestInit) => Promise<Response> = fetch) {
  const read = async (response: Response): Promise<AcmeAnswer> => {
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} };
  };
  const directory = (await read(await ask(`${url}/acme/directory`))).body as Record<string, string>;
  const nonces: string[] = [];

  const freshNonce = async (): Promise<string> =>
    (await ask(directory['newNonce']!, { method: 'HEAD' })).headers.get('replay-nonce')!;

  const post = async (
    to: string,
    key: KeyObject,
    by: { kid: string } | { jwk: object },
    payload: unknown,
    bent: Bent = {},
  ): Promise<AcmeAnswer> => {
    const nonce = bent.nonce ?? nonces.pop() ?? (await freshNonce());
    const isRepeated = bent.nonce !== undefined;
    const jws = signJws(key, { nonce, url: to, ...by, ...bent.header }, payload);
    const sent = bent.body ? bent.body(jws) : jws;
    const answer = await read(
      await ask(to, {
        method: 'POST',
        headers: { 'content-type': bent.contentType ?? 'application/jose+json' },
        body: typeof sent === 'string' ? sent : JSON.stringify(sent),
      }),
    );
    const next = answer.headers.get('replay-nonce');
    if (next !== null) nonces.push(next);
    // A nonce that was kept for too long: the answer brought another (RFC 8555 §6.5).
    if (!isRepeated && answer.body.type === 'urn:ietf:params:acme:error:badNonce')
      return post(to, key, by, payload, { ...bent, nonce: nonces.pop()! });
    return answer;
  };

  /** Asks for an account by a binding. */
  const newAccount = (eab: Eab | undefined, key: KeyObject = newKey(), more: object = {}): Promise<AcmeAnswer> => {
    const to = directory['newAccount']!;
    const binding = eab ? { externalAccountBinding: bindKey(eab, key, to) } : {};
    return post(to, key, { jwk: jwkOf(key) }, { ...binding, ...more });
  };

  /** An account, which may ask for things. */
  const account = async (eab: Eab, key: KeyObject = newKey()) => {
    const answer = await newAccount(eab, key);
    if (![200, 201].includes(answer.status)) throw new Error(`no account: ${answer.text}`);
    const kid = answer.headers.get('location')!;
    const ask = (to: string, payload?: unknown, bent?: Bent): Promise<AcmeAnswer> =>
      post(to, key, { kid }, payload, bent);
    const order = (...names: string[]): Promise<AcmeAnswer> =>
      ask(directory['newOrder']!, { identifiers: names.map((value) => ({ type: 'dns', value })) });
    /** An order and what finalizing it answers. */
    const issue = async (name: string, deviceKey: KeyObject = newKey()): Promise<AcmeAnswer> => {
      const ordered = await order(name);
      if (ordered.status !== 201) return ordered;
      return ask(ordered.body.finalize as string, { csr: acmeCsr([name], deviceKey) });
    };
    /** The chain of a new certificate, in PEM. */
    const obtain = async (name: string, deviceKey?: KeyObject): Promise<string> => {
      const done = await issue(name, deviceKey);
      if (done.body.status !== 'valid') throw new Error(`nothing was issued: ${done.text}`);
      return (await ask(done.body.certificate as string)).text;
    };
    return { key, kid, ask, order, issue, obtain };
  };

  return { directory, freshNonce, post, read, newAccount, account };
}

export type AcmeParty = Awaited<ReturnType<AcmeClient['account']>>;
