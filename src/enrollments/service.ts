import { LRUCache } from 'lru-cache';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import { createCredential } from '../access/credentials.js';
import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { ManufacturerService } from '../manufacturers/service.js';
import type { StoredManufacturer } from '../manufacturers/store.js';
import type { Origin } from '../origin.js';
import { requireCovered } from './coverage.js';
import { blankEnrollment, openedBy } from './opening.js';
import type { NewEnrollment } from './schema.js';
import { createSecret } from '../outbound/standard-webhooks.js';
import { sealedAs, type Sealer } from '../sealing.js';
import { statusOf, type EnrollmentStatus } from './status.js';
import type { EnrollmentStore, StoredEnrollment } from './store.js';

/** An enrollment as operators see it. */
export type ShownEnrollment = StoredEnrollment & {
  status: EnrollmentStatus;
  /** Of an enrollment of kind `ca`. */
  authority?: StoredManufacturer;
};

type Deps = {
  store: EnrollmentStore;
  clock: Clock;
  audit: AppendAudit;
  sealer: Pick<Sealer, 'seal' | 'open'>;
  requirePolicies(account: string, names: string[]): Promise<void>;
  requireSegment(account: string, name: string): Promise<void>;
  /** Revokes everything of a thing. */
  revokeThing(account: string, name: string, origin: Origin): Promise<void>;
  policyForType(account: string, thingType: string | undefined): Promise<string>;
  manufacturers: Pick<ManufacturerService, 'register' | 'insert' | 'of'>;
  /** How clients of ACME come by an enrollment. */
  acmeOf(enrollmentId: string): AcmeEntry;
};

/** Where ACME begins, and what an account of it shows of its enrollment (RFC 8555 §7.3.4). */
export type AcmeEntry = { acmeDirectory: string; eab: { kid: string; hmacKey: string } };

/** What is known of the enrollment of a token, or will be. */
type Covering = { loading: Promise<StoredEnrollment | undefined>; found?: StoredEnrollment };

const reenrollSeconds = 24 * 3600;

/** A new enrollment: its token, and the secret of its check where the request named none. */
type Created = { id: string; token: string; checkSecret?: string } & AcmeEntry;

export type EnrollmentService = ReturnType<typeof createEnrollmentService>;

/** Makes, lists and revokes enrollments. */
export function createEnrollmentService({
  store,
  clock,
  audit,
  sealer,
  requirePolicies,
  requireSegment,
  revokeThing,
  policyForType,
  manufacturers,
  acmeOf,
}: Deps) {
  // What an enrollment covers never changes, so it may be remembered; whether it still holds is
  // checked again in the transaction that uses it.
  const covers = new LRUCache<string, Covering>({ max: 10_000, ttl: 60_000 });

  const showAll = async (enrollments: StoredEnrollment[]): Promise<ShownEnrollment[]> => {
    const ids = enrollments.filter(({ kind }) => kind === 'ca').map(({ id }) => id);
    const authorities = await manufacturers.of(ids);
    return enrollments.map((enrollment) => {
      const authority = authorities.get(enrollment.id);
      return { ...enrollment, status: statusOf(enrollment, clock()), ...(authority ? { authority } : {}) };
    });
  };

  const show = async (enrollment: StoredEnrollment): Promise<ShownEnrollment> => (await showAll([enrollment]))[0]!;

  /** @throws DomainError `not-found` */
  const get = async (account: string, id: string): Promise<StoredEnrollment> => {
    const enrollment = await store.find(account, id);
    if (!enrollment) throw new DomainError('not-found', `there is no enrollment ${id}`);
    return enrollment;
  };

  const requireLife = async (account: string, seconds: number): Promise<void> => {
    const most = await store.longestLife(account);
    if (seconds <= most) return;
    throw new DomainError(
      'invalid-request',
      `body/certificateSeconds: certificates of this account may live for ${most} s at most: ask for less, or have maxCertificateSeconds of the account raised`,
    );
  };

  return {
    /** @throws DomainError `unknown-policy`, `unknown-segment`, `bad-chain`, `ca-unproved` */
    async create(account: string, request: NewEnrollment, origin: Origin): Promise<Created> {
      const policies = request.policies ?? [request.policy ?? (await policyForType(account, request.thingType))];
      await requirePolicies(account, policies);
      if (request.segment !== undefined) await requireSegment(account, request.segment);
      if (request.certificateSeconds !== undefined) await requireLife(account, request.certificateSeconds);
      const secret = request.check && (request.check.secret ?? createSecret());
      const sealed = (id: string) =>
        secret === undefined ? null : sealer.seal(Buffer.from(secret), sealedAs.enrollmentCheck(id));
      const { ca, expectedOnly = false } = request;
      const authority = ca && manufacturers.register(account, ca, expectedOnly);
      const enrollment = {
        ...openedBy({ account, origin, at: clock() }, { ...request, policies }, sealed),
        caProved: authority?.isProved ?? false,
      };
      const { token, hash } = createCredential('twe');
      await store.transaction(async (tx) => {
        const most = mostOfAccount.enrollments;
        if ((await store.count(tx, account, most)) >= most)
          throw tooMany('enrollments', most, 'use one for many devices, with maxUses');
        await store.insert(tx, enrollment, hash);
        if (authority) await manufacturers.insert(tx, enrollment.id, authority);
        await audit(tx, auditOf('enrollment.create', enrollment, origin, clock()));
      });
      const shown = secret === undefined || secret === request.check?.secret ? {} : { checkSecret: secret };
      return { id: enrollment.id, token, ...shown, ...acmeOf(enrollment.id) };
    },

    /**
     * A one-use enrollment that gives a locked thing a new key, written in `tx` in place of any other that is open for
     * it. Returns its token.
     */
    async createReenroll(
      tx: Transaction,
      thing: { id: string; account: string; name: string; thingType: string | null },
      rights: Pick<StoredEnrollment, 'reenrollReason' | 'bringsBack' | 'movesKeys'>,
      origin: Origin,
    ) {
      const at = clock();
      await store.closeReenrollments(tx, thing.id, at);
      const enrollment: StoredEnrollment = {
        ...blankEnrollment(thing.account, origin, at),
        thingNamePattern: thing.name,
        thingType: thing.thingType,
        expiresAt: new Date(at.getTime() + reenrollSeconds * 1000),
        reenrollsThingId: thing.id,
        // A thing that comes back belongs to this enrollment.
        ...(await store.termsOf(tx, thing.id)),
        ...rights,
      };
      const { token, hash } = createCredential('twe');
      await store.insert(tx, enrollment, hash);
      const detail = {
        enrollment: enrollment.id,
        thingId: thing.id,
        reason: rights.reenrollReason,
        back: rights.bringsBack,
      };
      await audit(tx, {
        at,
        account: thing.account,
        origin,
        action: 'thing.reenroll',
        target: `thing:${thing.name}`,
        detail,
      });
      return { id: enrollment.id, token, expiresAt: enrollment.expiresAt! };
    },

    requireCovered,
    /** The secret that signs the question of a check. */
    checkSecretOf: ({ id, checkSecretSealed }: StoredEnrollment): string =>
      sealer.open(checkSecretSealed!, sealedAs.enrollmentCheck(id)).toString('utf8'),
    accountOf: store.accountOf,
    tokenHashOf: store.tokenHashOf,
    /** @throws DomainError `not-found` */
    get: async (account: string, id: string): Promise<ShownEnrollment> => show(await get(account, id)),

    /** The enrollments of an account, from the one after `after`. */
    async list(account: string, after: string | undefined, limit: number): Promise<ShownEnrollment[]> {
      return showAll(await store.list(account, after, limit));
    },

    /** Changes how long its things can renew after their certificates expired. @throws DomainError `not-found` */
    async setGrace(account: string, id: string, seconds: number | null, origin: Origin): Promise<ShownEnrollment> {
      const enrollment = await get(account, id);
      await store.transaction(async (tx) => {
        await store.setGrace(tx, account, id, seconds);
        const at = clock();
        const detail = { before: enrollment.renewGraceSeconds, after: seconds };
        await audit(tx, { ...auditOf('enrollment.set-renew-grace', enrollment, origin, at), detail });
      });
      return show(await get(account, id));
    },

    /**
     * Stops an enrollment: no provisioning that starts after this succeeds with it. With `andThings`, revokes every
     * thing that it made, one after the other: a repeated call resumes what failed partway. @throws DomainError `not-found`
     */
    async revoke(account: string, id: string, andThings: boolean, origin: Origin): Promise<ShownEnrollment> {
      const enrollment = await get(account, id);
      await store.transaction(async (tx) => {
        const at = clock();
        if (await store.revoke(tx, account, id, at))
          await audit(tx, auditOf('enrollment.revoke', enrollment, origin, at));
      });
      if (andThings) for (const name of await store.thingsOf(id)) await revokeThing(account, name, origin);
      return show(await get(account, id));
    },

    /** What the enrollment of a token covers; its uses, expiry and revocation may have moved on since. */
    covering(tokenHash: Buffer): Promise<StoredEnrollment | undefined> {
      const key = tokenHash.toString('base64');
      const cached = covers.get(key);
      if (cached) return cached.loading;
      const loading = store.findByTokenHash(tokenHash);
      const covering: Covering = { loading };
      covers.set(key, covering);
      const forget = () => covers.delete(key);
      loading.then((found) => (found ? (covering.found = found) : forget()), forget);
      return loading;
    },

    /** Whether the enrollment of a token was valid when it was last read, recently. */
    isRemembered(tokenHash: Buffer): boolean {
      const found = covers.get(tokenHash.toString('base64'))?.found;
      if (!found || found.revokedAt || found.uses >= found.maxUses) return false;
      return found.expiresAt === null || found.expiresAt > clock();
    },

    /** Reads the enrollment again the next time: it was refused. */
    forget: (tokenHash: Buffer): void => void covers.delete(tokenHash.toString('base64')),
  };
}

function auditOf(
  action: string,
  { id, account, policies, thingNamePattern, maxUses }: StoredEnrollment,
  origin: Origin,
  at: Date,
) {
  return { at, account, origin, action, target: `enrollment:${id}`, detail: { policies, thingNamePattern, maxUses } };
}
