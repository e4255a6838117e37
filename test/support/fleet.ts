import { X509Certificate, createHash, randomUUID, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { expect } from 'vitest';
import { provisionAnswer } from '../../src/provisioning/schema.js';
import { csrPem, newKey } from './pki/csr.js';
import type { Answer, Client } from './client.js';
import type { TestServer } from './server.js';

/** Creates an enrollment and returns its id and token. */
export async function enroll(
  server: Pick<TestServer, 'owner'>,
  request: object = {},
): Promise<{ id: string; token: string }> {
  const answer = await server.owner.post('/v1/enrollments', {
    thingNamePattern: '*',
    maxUses: 1000,
    expiresAt: 'never',
    ...request,
  });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body as { id: string; token: string };
}

export type Device = { name: string; key: KeyObject; csr: string; answer: Answer };

/** Provisions a device with a new key; the answer may be a refusal. */
export async function provision(
  server: Pick<TestServer, 'as'>,
  token: string,
  name: string,
  extra: object = {},
  key = newKey(),
): Promise<Device> {
  const csr = csrPem({ key });
  const answer = await server.as(token).post('/v1/provision', { thingName: name, csr, ...extra });
  // The route does not run its answer through the schema; this does, and finds members that it lacks too.
  if (answer.status < 202) expect(provisionAnswer.parse(answer.body)).toEqual(answer.body);
  return { name, key, csr, answer };
}

export const pemOf = ({ answer }: Device): string => answer.body.certificate.pem as string;

export const thumbprint = (pem: string): string =>
  createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url');

type AssertionOptions = {
  pem: string;
  key: KeyObject;
  audience: string;
  subject: string;
  now: Date;
  typ?: string;
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
};

/** A JWT that a device signs; every part of it may be bent. */
export function assertion({
  pem,
  key,
  audience,
  subject,
  now,
  typ = 'client-authentication+jwt',
  claims = {},
  header = {},
}: AssertionOptions): Promise<string> {
  const iat = Math.floor(now.getTime() / 1000);
  return new SignJWT({ iss: subject, sub: subject, aud: audience, jti: randomUUID(), iat, exp: iat + 120, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ, 'x5t#S256': thumbprint(pem), ...header })
    .sign(key);
}

/** A JWT that a device signs with its key, for this server. */
export const signedBy = (
  server: Pick<TestServer, 'url' | 'now'>,
  device: Device,
  more: Partial<AssertionOptions> = {},
): Promise<string> => {
  const { account } = device.answer.body.thing;
  return assertion({
    pem: pemOf(device),
    key: device.key,
    audience: server.url,
    subject: `${account}/${device.name}`,
    now: server.now(),
    ...more,
  });
};

/** Uses a device's key, by asking for a token with it. */
export async function useKey(server: Pick<TestServer, 'url' | 'now' | 'as'>, device: Device): Promise<Answer> {
  return server.as(undefined).post('/v1/token', {
    grant_type: 'client_credentials',
    client_assertion: await signedBy(server, device),
    client_assertion_type: assertionType,
  });
}

/** Renews a device's certificate for a new key, which is not used yet. */
export async function renew(
  server: Pick<TestServer, 'url' | 'now' | 'as'>,
  device: Device,
  key = newKey(),
): Promise<Device> {
  const csr = csrPem({ key });
  const bytes = Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const claims = { csr_sha256: createHash('sha256').update(bytes).digest('base64url') };
  const proof = await signedBy(server, device, { typ: 'renew+jwt', claims });
  return { name: device.name, key, csr, answer: await server.as(undefined).post('/v1/renew', { csr, proof }) };
}

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Makes the certificate of a device one that another authority issued, as an import from AWS IoT does. */
export async function madeByOthers(
  { database: { client }, now }: Pick<TestServer, 'database' | 'now'>,
  serialNumber: string,
) {
  const none = new Uint8Array();
  const id = 'external-default';
  await client.issuer.create({
    data: {
      id,
      accountName: 'default',
      kind: 'external',
      certificateDer: none,
      sealedKey: none,
      notBefore: now(),
      notAfter: new Date('9999-01-01'),
      createdAt: now(),
    },
  });
  await client.certificate.updateMany({ where: { serialNumber }, data: { issuerId: id, crlScope: 'external' } });
}

/** An edge on which each of these things has a session, `session-of-{name}`. Returns the id of the edge. */
export async function holdSessions(owner: Client, name: string, things: string[]): Promise<string> {
  const { id } = (await owner.post('/v1/proxies', { name, sessions: true })).body as { id: string };
  const opened = things.map((thingName) => ({
    id: `session-of-${thingName}`,
    thingName,
    protocol: 'mqtts',
    connectedAt: '2026-01-02T03:04:05Z',
  }));
  const { status, text } = await owner.post(`/v1/proxies/${id}/sessions`, { incarnation: 'i', full: true, opened });
  if (status !== 204) throw new Error(text);
  return id;
}
