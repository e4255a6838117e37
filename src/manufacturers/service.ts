import { createHmac, hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AppendAudit } from '../audit/store.js';
import { addSeconds, rfc3339, type Clock } from '../clock.js';
import type { Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import { shown } from '../pki/chain/authority-certificate.js';
import { provesKey, readAnchor, restoreAnchor, type Anchor } from '../pki/manufacturer/anchor.js';
import { readManufacturerList, type ManufacturerList } from '../pki/manufacturer/list.js';
import { nameFrom } from '../pki/manufacturer/names.js';
import { requireDevice, type DeviceCertificate } from '../pki/manufacturer/path.js';
import { judging } from '../pki/manufacturer/refusal.js';
import type { Manufactured } from '../provisioning/admission/manufactured.js';
import type { Sealer } from '../sealing.js';
import { leewaySeconds, type ReadProof } from './assertion.js';
import type { ManufacturerStore, StoredList, StoredManufacturer } from './store.js';

/** A device that proved what it is, for the enrollment that admits it. */
export type Proven = { enrollmentId: string; account: string; tokenHash: Buffer; manufactured: Manufactured };

/** The authority of a new enrollment, as a request names it. */
export type NewAuthority = { certificates: string; thingName: string; verificationCertificate?: string | undefined };

/** The same, judged. */
export type RegisteredAuthority = { certificates: Buffer[]; thingName: string; isProved: boolean };

type Deps = {
  store: ManufacturerStore;
  clock: Clock;
  audit: AppendAudit;
  sealer: Pick<Sealer, 'derive'>;
  readProof: ReadProof;
  /** False when this was used before, on any instance. */
  useOnce(hash: Buffer, expiresAt: Date): Promise<boolean>;
  enrollments: {
    accountOf(id: string): Promise<string | undefined>;
    tokenHashOf(id: string): Promise<Buffer>;
  };
};

type Known = { anchor: Anchor; thingName: string };

const mostKnown = 500;

export type ManufacturerService = ReturnType<typeof createManufacturerService>;

/** Manufacturers' authorities, and the devices that they vouch for. */
export function createManufacturerService(deps: Deps) {
  const { store, clock, audit, readProof, useOnce, enrollments } = deps;
  const secret = deps.sealer.derive('verification codes of manufacturers');
  // What an enrollment is for never changes.
  const known = new LRUCache<string, Known>({ max: mostKnown });

  const knownOf = async (enrollmentId: string): Promise<Known | undefined> => {
    const before = known.get(enrollmentId);
    if (before) return before;
    const found = await store.find(enrollmentId);
    if (!found) return undefined;
    const read = { anchor: restoreAnchor(found.certificates), thingName: found.thingName };
    known.set(enrollmentId, read);
    return read;
  };

  /** A code for one account and one key: who signs it has the key, and means this account. */
  const codeFor = (account: string, { own }: Anchor): string =>
    createHmac('sha256', secret)
      .update(`${account} ${hash('sha256', own.spki)}`)
      .digest('hex');

  const requireUnrevoked = async (enrollmentId: string, { listedAs }: DeviceCertificate): Promise<void> => {
    const { nextUpdate, revoked } = await store.standing(enrollmentId, listedAs);
    if (revoked)
      throw new DomainError(
        'certificate-revoked',
        'the manufacturer revoked the certificate of this device, or that of the CA above it: ask whoever runs the enrollment',
      );
    if (nextUpdate && nextUpdate <= clock()) throw stale(nextUpdate);
  };

  /** What a certificate and those behind it say of a device. Who sent them may be anybody yet. */
  const judge = ({ anchor, thingName }: Known, sent: Buffer[]) => {
    const device = requireDevice(anchor, sent, clock());
    return { device, name: judging(() => nameFrom(thingName, device)) };
  };

  const proven = async (enrollmentId: string, name: string, device: DeviceCertificate): Promise<Proven> => {
    await requireUnrevoked(enrollmentId, device);
    const account = await enrollments.accountOf(enrollmentId);
    const manufactured = {
      name,
      keySha256: hash('sha256', device.spki),
      fingerprint: hash('sha256', device.der),
      serialNumber: device.serialNumber,
      subject: shown(device.x509.subject),
    };
    return { enrollmentId, account: account!, tokenHash: await enrollments.tokenHashOf(enrollmentId), manufactured };
  };

  return {
    /**
     * The authority of a new enrollment. Everybody's devices have certificates of a public one, so either a list says which are
     * meant, or somebody proved its key. @throws DomainError `bad-chain`, `ca-unproved` with the code to sign
     */
    register(account: string, asked: NewAuthority, isListed: boolean): RegisteredAuthority {
      const { certificates, thingName, verificationCertificate } = asked;
      const anchor = readAnchor(certificates, clock());
      const code = codeFor(account, anchor);
      const isProved =
        verificationCertificate !== undefined && provesKey(verificationCertificate, anchor, code, clock());
      if (!isProved && (verificationCertificate !== undefined || !isListed))
        throw unproved(code, verificationCertificate);
      return { certificates: [anchor.own, ...anchor.above].map(({ der }) => der), thingName, isProved };
    },

    async insert(tx: Transaction, enrollmentId: string, authority: RegisteredAuthority): Promise<void> {
      const { certificates, thingName } = authority;
      await store.insert(tx, { enrollmentId, certificates, thingName });
    },

    /** The authorities of enrollments, by the ids of these. */
    async of(enrollmentIds: string[]): Promise<Map<string, StoredManufacturer>> {
      return new Map((await store.findAll(enrollmentIds)).map((each) => [each.enrollmentId, each]));
    },

    /**
     * The device that a JWT of typ provision+jwt proves, for the request `csr` (DER). It counts once.
     * @throws DomainError `invalid-client`, `manufacturer-refused`, `manufacturer-list-stale`, `certificate-revoked`
     */
    async byProof(jwt: string, csr: Buffer): Promise<Proven> {
      const proof = readProof(jwt);
      const found = await knownOf(proof.enrollmentId);
      if (!found) throw noSuchEnrollment(proof.enrollmentId);
      const { device, name } = judge(found, proof.certificates);
      await proof.requireSignedBy(device.publicKey);
      proof.requireFor(csr);
      const result = await proven(proof.enrollmentId, name, device);
      const used = hash('sha256', `${proof.enrollmentId} ${result.manufactured.fingerprint} ${proof.jti}`, 'buffer');
      if (!(await useOnce(used, addSeconds(proof.until, 2 * leewaySeconds))))
        throw new DomainError(
          'invalid-client',
          'the proof was refused: its jti was used before: make a new one for every request',
          { error: 'invalid_client' },
        );
      return result;
    },

    /**
     * The device whose certificate, and those behind it, TLS proved; undefined where the enrollment asks for none.
     * @throws DomainError `manufacturer-refused`, `manufacturer-list-stale`, `certificate-revoked`
     */
    async byConnection(enrollmentId: string, shownCertificates: Buffer[]): Promise<Proven | undefined> {
      const found = await knownOf(enrollmentId);
      if (!found) return undefined;
      const { device, name } = judge(found, shownCertificates);
      return proven(enrollmentId, name, device);
    },

    /** Takes the next list of a manufacturer. The same again changes nothing. @throws DomainError `not-found`, `bad-crl`, `conflict` */
    async upload(account: string, enrollmentId: string, text: string, origin: Origin): Promise<StoredList> {
      const found = (await enrollments.accountOf(enrollmentId)) === account ? await knownOf(enrollmentId) : undefined;
      if (!found)
        throw new DomainError('not-found', `there is no enrollment ${enrollmentId} of kind ca: list them to find it`);
      const list = readManufacturerList(text, found.anchor, clock());
      return store.transaction(async (tx) => {
        const before = await store.lockList(tx, enrollmentId);
        if (before?.sha256.equals(list.sha256)) return before;
        if (before) requireNewer(list, before);
        await store.replaceList(tx, enrollmentId, list);
        const { number = null, thisUpdate, nextUpdate, sha256, serialNumbers } = list;
        const detail = { number, thisUpdate: rfc3339(thisUpdate), revoked: serialNumbers.length };
        const target = `enrollment:${enrollmentId}`;
        await audit(tx, { at: clock(), account, origin, action: 'enrollment.upload-crl', target, detail });
        return { number, thisUpdate, nextUpdate, sha256, revoked: serialNumbers.length };
      });
    },
  };
}

/** A list never goes back: an old one would admit what was revoked since. @throws DomainError `conflict` */
function requireNewer(next: ManufacturerList, before: StoredList): void {
  const [number, last] = [next.number, before.number].map((hex) => (hex ? BigInt(`0x${hex}`) : undefined));
  const isOlder = last !== undefined && (number === undefined || number <= last);
  if (!isOlder && next.thisUpdate >= before.thisUpdate) return;
  throw new DomainError(
    'conflict',
    `the list is older than the last one, of ${rfc3339(before.thisUpdate)}: send the newest of the manufacturer`,
  );
}

function stale(nextUpdate: Date): DomainError {
  return new DomainError(
    'manufacturer-list-stale',
    `the list of the manufacturer expired at ${rfc3339(nextUpdate)}, and nobody is admitted on its word: have the next one uploaded, then send the request again`,
    { retryAfter: 300 },
  );
}

function noSuchEnrollment(id: string): DomainError {
  return new DomainError('invalid-client', `the proof was refused: there is no enrollment ${id} of kind ca`, {
    error: 'invalid_client',
  });
}

function unproved(verificationCode: string, sent: string | undefined): DomainError {
  const why = sent === undefined ? '' : 'the verification certificate proves nothing here; ';
  return new DomainError(
    'ca-unproved',
    `${why}sign a certificate whose only CN is ${verificationCode} with the key of the authority and send it as ca.verificationCertificate, or set expectedOnly`,
    { verificationCode },
  );
}
