import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import type { RevocationReason } from '../pki/crl.js';
import type { Issuer } from '../pki/issuer.js';
import {
  encodeOcspResponse,
  issuerHashes,
  issueResponder,
  parseOcspRequest,
  unsignedResponses,
  type CertId,
  type CertStatus,
  type Responder,
} from '../pki/ocsp.js';
import { createSigner, generateKeys } from '../pki/signer.js';

/** What the registry has of a serial number under an issuer. */
export type KnownSerial = { serialNumber: string; revokedAt: Date | null; reason: string | null };

type StoredIssuer = { id: string; listSuperseded: boolean };

type Deps<Stored extends StoredIssuer> = {
  clock: Clock;
  /** Every authority of every account that has not expired. */
  issuers(): Promise<Stored[]>;
  open(stored: Stored): Issuer;
  /** What is known of serial numbers that an issuer gave out, to devices and to authorities under it. */
  findSerials(issuerId: string, serialNumbers: string[]): Promise<KnownSerial[]>;
};

const day = 86_400;
const responderSeconds = 30 * day;
const renewAheadSeconds = 15 * day;
const validSeconds = 3600;
const reloadMs = 1000;

export type OcspResponder = ReturnType<typeof createResponder>;

/** An answer with the times that caches go by; without them it is not signed. */
export type OcspAnswer = { der: Buffer; thisUpdate?: Date; nextUpdate?: Date };

/** Answers OCSP from the registry as it is now. Each instance has a key and certificate of its own for every authority. */
export function createResponder<Stored extends StoredIssuer>({ clock, issuers, open, findSerials }: Deps<Stored>) {
  const responders = new Map<string, Promise<Responder>>();
  let known = new Map<string, Stored>();
  let loading: Promise<void> | undefined;
  let loadedAt = -Infinity;

  const keyOf = (algorithm: string, name: string, key: string) => `${algorithm} ${name} ${key}`;

  const load = async (): Promise<void> => {
    const fresh = new Map<string, Stored>();
    for (const stored of await issuers()) {
      const issuer = open(stored);
      for (const algorithm of ['sha1', 'sha256'] as const) {
        const { name, key } = issuerHashes(issuer, algorithm);
        fresh.set(keyOf(algorithm, name, key), stored);
      }
    }
    known = fresh;
    loadedAt = clock().getTime();
  };

  /** Finds an authority by the hashes of a request; reads the authorities again when it is not among them. */
  const findIssuer = async ({ hash, issuerName, issuerKey }: CertId): Promise<Stored | undefined> => {
    const key = keyOf(hash, issuerName, issuerKey);
    if (!known.has(key) && (loading || clock().getTime() - loadedAt >= reloadMs))
      await (loading ??= load().finally(() => (loading = undefined)));
    return known.get(key);
  };

  const createFor = async (stored: Stored): Promise<Responder> => {
    const at = wholeSeconds(clock());
    const { privateKey } = await generateKeys('ec-p256');
    const validity = { notBefore: addSeconds(at, -3600), notAfter: addSeconds(at, responderSeconds) };
    return issueResponder(open(stored), validity, createSigner(privateKey));
  };

  /** The responder of an authority, renewed long before it expires. */
  const responderOf = async (stored: Stored): Promise<Responder> => {
    const present = await responders.get(stored.id);
    if (present && present.notAfter > addSeconds(clock(), Math.min(renewAheadSeconds, lifeOf(present) / 2)))
      return present;
    const creating = createFor(stored);
    responders.set(stored.id, creating);
    creating.catch(() => responders.delete(stored.id));
    return creating;
  };

  const lifeOf = ({ notAfter }: Responder): number => Math.max(0, (notAfter.getTime() - clock().getTime()) / 1000);

  return {
    /** The answer to a request in DER. Reads the registry, so that what was acknowledged before is in it. */
    async answer(request: Buffer): Promise<OcspAnswer> {
      const parsed = parseOcspRequest(request);
      if (!parsed) return { der: unsignedResponses.malformedRequest };
      const found = await Promise.all(parsed.certIds.map(findIssuer));
      const stored = found.find((each) => each !== undefined);
      if (!stored) return { der: unsignedResponses.unauthorized };
      // One answer has one signer: what another authority issued is unknown to this one.
      const own = parsed.certIds.filter((_, index) => found[index]?.id === stored.id);
      const serials = await findSerials(
        stored.id,
        own.map(({ serialNumber }) => serialNumber),
      );
      const bySerial = new Map(serials.map((serial) => [serial.serialNumber, serial]));
      const thisUpdate = wholeSeconds(clock());
      const nextUpdate = addSeconds(thisUpdate, validSeconds);
      const answered = parsed.certIds.map((certId, index) => ({
        certId,
        status: statusOf(found[index]?.id === stored.id ? bySerial.get(certId.serialNumber) : undefined, stored),
      }));
      const responder = await responderOf(stored);
      return {
        der: encodeOcspResponse(responder, answered, { thisUpdate, nextUpdate, nonce: parsed.nonce }),
        thisUpdate,
        nextUpdate,
      };
    },
  };
}

// INVARIANT: good is said of what was issued, and of nothing else.
function statusOf(known: KnownSerial | undefined, { listSuperseded }: StoredIssuer): CertStatus {
  if (!known) return { status: 'unknown' };
  const { revokedAt, reason } = known;
  if (!revokedAt || (reason === 'superseded' && !listSuperseded)) return { status: 'good' };
  return { status: 'revoked', revokedAt, reason: reason as RevocationReason };
}
