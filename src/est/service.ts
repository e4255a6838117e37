import { hash } from 'node:crypto';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import { encodeCertsOnly } from '../pki/cms.js';
import { decodeCsr, parseCsrDer } from '../pki/csr/csr.js';
import type { KeyType } from '../pki/public-key.js';
import type { FirstBoot, Provisioned, RenewFor, StillWaiting } from '../provisioning/asked.js';
import type { ProvenDevice } from '../provisioning/admission/proving.js';
import type { HeldCertificate } from '../registry.js';
import { thingName } from '../shapes.js';

type Deps = {
  clock: Clock;
  /** The account of an enrollment. */
  accountOfEnrollment(id: string): Promise<string | undefined>;
  accountExists(name: string): Promise<boolean>;
  /** Every unexpired authority: the chain of the one that issues comes first. @throws DomainError `not-found` */
  signing(account: string): Promise<{ allDer: Buffer[] }>;
  provision(tokenHash: Buffer, ask: () => FirstBoot, origin: Origin): Promise<Provisioned | StillWaiting>;
  renewFor(asked: RenewFor, origin: Origin): Promise<{ certificate: { der: Buffer } }>;
  findCertificate(fingerprint: string): Promise<HeldCertificate | undefined>;
  /** The device that a certificate of its manufacturer proves to an enrollment; undefined where that asks for none. */
  byConnection(enrollmentId: string, certificates: Buffer[]): Promise<ProvenDevice | undefined>;
};

/** Who enrolls: an enrollment token, and the name beside it. */
export type Enrolling = { id: string; account: string; tokenHash: Buffer; userName: string };

/** What the connection of a request proves. */
type Channel = {
  /** DER of the certificate whose key the client used in the handshake. */
  certificate: Buffer | undefined;
  /** Those that came behind it. */
  behind: Buffer[];
  /** What a challengePassword has to be on this connection; undefined where nothing can bind a request to it. */
  binding: string | undefined;
};

/** What a client sends: the label in the path, its request as base64 or PEM, and the connection that it came on. */
export type Sent = { label: string | undefined; request: string; channel: Channel };

/** What a client gets: its certificate alone (certs-only, DER), and the key that the server made for it (PKCS #8, DER). */
type Enrolled = { certificate: Buffer; privateKey?: Buffer };

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export type EstService = ReturnType<typeof createEstService>;

/** Enrollment over Secure Transport (RFC 7030, 8951): first boot and renewal in other words. */
export function createEstService(deps: Deps) {
  const { clock, accountOfEnrollment, accountExists, signing, provision, renewFor, findCertificate, byConnection } =
    deps;

  /** The account that a label belongs to: an enrollment's id or an account; `default` without one. @throws DomainError `not-found` */
  const accountOf = async (label = 'default'): Promise<string> => {
    if (!uuid.test(label)) {
      if (await accountExists(label)) return label;
    } else {
      const account = await accountOfEnrollment(label);
      if (account !== undefined) return account;
    }
    throw new DomainError(
      'not-found',
      `there is no enrollment and no account ${label}: leave the label out, or mend it`,
    );
  };

  const holderOf = async ({ certificate }: Channel): Promise<HeldCertificate> => {
    if (!certificate)
      throw new DomainError('invalid-client', 'show the present certificate of the device in the TLS handshake');
    const held = await findCertificate(hash('sha256', certificate));
    if (!held) throw new DomainError('invalid-client', 'Thingward did not issue the certificate of this connection');
    const refusal = refusalOf(held, clock());
    if (refusal) throw refusal;
    return held;
  };

  const boot = async (tokenHash: Buffer, ask: () => FirstBoot, origin: Origin): Promise<Enrolled | StillWaiting> => {
    const result = await provision(tokenHash, ask, origin);
    if ('waiting' in result) return result;
    const { certificate, privateKey } = result;
    return {
      certificate: encodeCertsOnly([certificate.der]),
      ...(privateKey ? { privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }) } : {}),
    };
  };

  return {
    /** The authorities whose certificates verify what is issued, in DER (RFC 7030 §4.1.3). @throws DomainError `not-found` */
    async authorities(label: string | undefined): Promise<Buffer> {
      const { allDer } = await signing(await accountOf(label));
      return encodeCertsOnly(allDer);
    },

    /**
     * First boot by an enrollment token, or how long to wait for an approval. With `make`, the key of the request is only proof
     * that it can sign, and the server makes another. @throws DomainError `not-found` for the label of another enrollment, and
     * those of provisioning
     */
    async enroll(
      { id, account, tokenHash, userName }: Enrolling,
      { label, request: text, channel }: Sent,
      origin: Origin,
      make?: KeyType,
    ): Promise<Enrolled | StillWaiting> {
      if (label !== undefined && label !== id && label !== account)
        throw new DomainError('not-found', `the enrollment token is not for ${label}: mend the label, or leave it out`);
      const ask = (): FirstBoot => {
        const csr = decodeCsr(text);
        const request = parseCsrDer(csr);
        requireBound(request.challengePassword, channel);
        const name = nameOf(request.requestedName ?? (userName === id ? undefined : userName));
        return { name, thingType: undefined, attributes: {}, key: make ? { make } : { csr } };
      };
      return boot(tokenHash, ask, origin);
    },

    /**
     * First boot by the certificate of a manufacturer, which TLS proved, under the enrollment that the label names. What the request says
     * of a name counts for nothing. @throws DomainError `missing-credential`, `manufacturer-refused`, and those of provisioning
     */
    async enrollProven(
      { label, request: text, channel }: Sent,
      origin: Origin,
      make?: KeyType,
    ): Promise<Enrolled | StillWaiting> {
      const { certificate, behind } = channel;
      const isShown = certificate !== undefined && label !== undefined && uuid.test(label);
      const proven = isShown ? await byConnection(label, [certificate, ...behind]) : undefined;
      if (!proven)
        throw new DomainError(
          'missing-credential',
          "send an enrollment token as the password of Basic, or show a manufacturer's certificate to the label of its enrollment",
        );
      const { enrollmentId, tokenHash, manufactured } = proven;
      const ask = (): FirstBoot => {
        const csr = decodeCsr(text);
        requireBound(parseCsrDer(csr).challengePassword, channel);
        return {
          name: manufactured.name,
          thingType: undefined,
          attributes: {},
          key: make ? { make } : { csr },
          manufactured,
        };
      };
      return boot(tokenHash, ask, { ...origin, actor: `enrollment:${enrollmentId}` });
    },

    /**
     * A certificate (certs-only, DER) for a new key of the device whose present certificate is that of the connection. TLS proved that it has
     * the key. @throws DomainError `invalid-client`, `certificate-revoked`, `thing-not-active`, and those of renewing
     */
    async reenroll({ label, request: text, channel }: Sent, origin: Origin): Promise<Buffer> {
      const holder = await holderOf(channel);
      const { thing } = holder;
      if (label !== undefined && (await accountOf(label)) !== thing.account)
        throw new DomainError('not-found', `the thing does not belong to ${label}: mend the label, or leave it out`);
      const csr = decodeCsr(text);
      const request = parseCsrDer(csr);
      requireBound(request.challengePassword, channel);
      if (request.requestedName !== thing.name)
        throw new DomainError('bad-csr', `the subject has to be that of the present certificate: CN=${thing.name}`);
      const { certificate } = await renewFor({ holder, csr, spend: () => Promise.resolve() }, origin);
      return encodeCertsOnly([certificate.der]);
    },

    /** Whether the certificate of the connection is one that may renew: TLS proved its key, so nobody guesses. */
    async isGood({ certificate }: Channel): Promise<boolean> {
      const held = certificate && (await findCertificate(hash('sha256', certificate)));
      return held !== undefined && refusalOf(held, clock()) === undefined;
    },

    accountOf,
  };
}

/** A challengePassword binds the request to the connection that it comes on (RFC 7030 §3.5). @throws DomainError `bad-csr` */
function requireBound(challengePassword: string | undefined, { binding }: Channel): void {
  if (challengePassword === undefined || (binding !== undefined && challengePassword === binding)) return;
  const why = binding === undefined ? 'and nothing binds a request to this connection' : 'of another connection';
  throw new DomainError('bad-csr', `the challengePassword is the channel binding, ${why}: leave it out`);
}

/** @throws DomainError `bad-csr` */
function nameOf(text: string | undefined): string {
  const { success, data } = thingName.safeParse(text);
  if (success) return data;
  throw new DomainError(
    'bad-csr',
    'its subject has to be one CN, the name of the thing: letters, digits, colons, _ and -',
  );
}

/** Why a certificate may not renew over EST: after its expiry it never may. */
function refusalOf({ thing, accountActive, revokedAt, notAfter }: HeldCertificate, at: Date): DomainError | undefined {
  const operator = 'ask an operator to re-enroll the thing';
  if (!accountActive) return new DomainError('account-suspended', `the account ${thing.account} is suspended`);
  if (revokedAt)
    return new DomainError('certificate-revoked', `the present certificate was revoked or superseded: ${operator}`);
  if (thing.status !== 'active')
    return new DomainError('thing-not-active', `the thing is ${thing.status}: ${operator}`);
  if (notAfter <= at)
    return new DomainError('invalid-client', `the present certificate has expired: renew by /v1/renew, or ${operator}`);
  return undefined;
}
