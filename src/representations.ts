import { rfc3339 } from './clock.js';
import type { RegisteredThing } from './registry.js';
import type { StoredPerson } from './people/store.js';
import type { Session } from './sessions/store.js';

/** A thing as answers show it. */
export function presentThing({ id, name, account, thingType, attributes, status, createdAt }: RegisteredThing) {
  const type = thingType === null ? {} : { thingType };
  return { id, name, account, ...type, attributes, status, createdAt: rfc3339(createdAt) };
}

/** What of a certificate its holder is given. */
export type PresentableCertificate = {
  serialNumber: string;
  fingerprint: string;
  pem: string;
  chainPem: string;
  notBefore: Date;
  notAfter: Date;
};

/** A certificate as the device that holds it is shown it. */
export function presentCertificate({
  serialNumber,
  fingerprint,
  pem,
  chainPem,
  notBefore,
  notAfter,
}: PresentableCertificate) {
  return { serialNumber, fingerprint, pem, chainPem, notBefore: rfc3339(notBefore), notAfter: rfc3339(notAfter) };
}

/** Where a device goes next. */
export function presentLinks(publicUrl: string, urls: { crl: string; ocsp: string }) {
  return {
    ...urls,
    jwks: `${publicUrl}/.well-known/jwks.json`,
    token: `${publicUrl}/v1/token`,
    renew: `${publicUrl}/v1/renew`,
  };
}

/** A person as answers show them. */
export function presentPerson({ id, account, name, permissions, status, methods, createdBy, ...rest }: StoredPerson) {
  return {
    id,
    account,
    name,
    ...(rest.email === null ? {} : { email: rest.email }),
    ...(rest.role === null ? {} : { role: rest.role }),
    permissions,
    status,
    methods,
    ...(rest.lastSignInAt === null ? {} : { lastSignInAt: rfc3339(rest.lastSignInAt) }),
    createdAt: rfc3339(rest.createdAt),
    createdBy,
  };
}

/** A live session, as lists and things show it. */
export function presentSession({ id, proxyId, proxyName, thingName, protocol, ...rest }: Session) {
  return {
    id,
    proxy: proxyId,
    proxyName,
    thingName,
    protocol,
    ...(rest.clientId === null ? {} : { clientId: rest.clientId }),
    ...(rest.sourceIp === null ? {} : { sourceIp: rest.sourceIp }),
    connectedAt: rfc3339(rest.connectedAt),
    ...(rest.fingerprint === null ? {} : { fingerprint: rest.fingerprint }),
  };
}
