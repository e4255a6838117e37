import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import type { LogEntry } from '../log/entries.js';
import type { RevocationReason } from '../pki/crl.js';
import type { Issuer } from '../pki/issuer.js';
import {
  encodeOcspResponse,
  issueResponder,
  parseOcspRequest,
  unsignedResponses,
  type CertStatus,
  type Responder,
} from '../pki/ocsp.js';
import { createSigner, generateKeys } from '../pki/signer.js';
import { backdatedSeconds, revocationDateOf, thisUpdateOf } from '../backdating.js';
import type { Authorities } from './authorities.js';

/** What the registry has of a serial number under an issuer. */
export type KnownSerial = { serialNumber: string; revokedAt: Date | null; reason: string | null };

type StoredIssuer = { id: string; account: string; certificateDer: Buffer; notAfter: Date; listSuperseded: boolean };

type Deps<Stored extends StoredIssuer> = {
  clock: Clock;
  /** INVARIANT: what is remembered is said only under a lease, which everything acknowledged has waited for. @throws DomainError `not-ready` */
  requireLease(): void;
  authorities: Authorities<Stored>;
  /** Unseals the key of an authority: for a new responder, and for no request. */
  open(stored: Stored): Issuer;
  /** What is known of serial numbers that an issuer gave out, to devices and to authorities under it. */
  findSerials(issuerId: string, serialNumbers: string[]): Promise<KnownSerial[]>;
};

const day = 86_400;
const responderSeconds = 30 * day;
const renewAheadSeconds = 15 * day;
const validSeconds = 3600;
// A reader whose clock is 55 minutes fast must find what is remembered still valid.
const keepAnswerSeconds = 240;
// Requests for one and the same certificate can be made in many ways: what is kept is limited in octets.
const mostKept = { answerOctets: 64 * 1024 * 1024, serials: 200_000 };

export type OcspResponder = ReturnType<typeof createResponder>;

/** An answer, with the headers that caches use where it may be cached. */
export type OcspAnswer = { der: Buffer; cached?: { etag: string; lastModified: string; expires: string } };

/** A signed answer, and what it was made of: it is valid while each of these is what is known. */
type KeptAnswer<Stored> = {
  answer: OcspAnswer;
  signedAt: Date;
  stored: Stored;
  made: { key: string; known: KnownSerial }[];
};

/**
 * Answers OCSP. What was read of the registry is remembered until an entry of the log is about it; what the
 * registry does not know is asked for every time. Each instance has its own key and certificate for every authority.
 */
export function createResponder<Stored extends StoredIssuer>(deps: Deps<Stored>) {
  const { clock, requireLease, authorities, open, findSerials } = deps;
  const serials = new LRUCache<string, KnownSerial>({ max: mostKept.serials });
  const answers = new LRUCache<string, KeptAnswer<Stored>>({
    maxSize: mostKept.answerOctets,
    sizeCalculation: ({ answer }, name) => answer.der.length + name.length,
  });
  // Rises with every entry about a certificate: what was read before an entry must not be remembered after it.
  let changes = 0;
  const responders = new Map<string, Promise<Responder>>();
  const createFor = async (stored: Stored): Promise<Responder> => {
    const at = wholeSeconds(clock());
    const { privateKey } = await generateKeys('ec-p256');
    const validity = { notBefore: addSeconds(at, -2 * backdatedSeconds), notAfter: addSeconds(at, responderSeconds) };
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

  const keyOfSerial = (issuerId: string, serialNumber: string) => `${issuerId} ${serialNumber}`;

  /** What is known of serial numbers under an issuer: remembered, or read. */
  const lookUp = async (issuerId: string, wanted: string[]): Promise<Map<string, KnownSerial>> => {
    const remembered = wanted.map((serialNumber) => serials.get(keyOfSerial(issuerId, serialNumber)));
    if (remembered.every((each) => each !== undefined))
      return new Map(remembered.map((each) => [each.serialNumber, each]));
    const before = changes;
    const found = await findSerials(issuerId, wanted);
    if (changes === before) for (const each of found) serials.set(keyOfSerial(issuerId, each.serialNumber), each);
    return new Map(found.map((each) => [each.serialNumber, each]));
  };

  const recall = (request: string): OcspAnswer | undefined => {
    const kept = answers.get(request);
    if (!kept) return undefined;
    const now = clock();
    const isYoung = now >= kept.signedAt && now < addSeconds(kept.signedAt, keepAnswerSeconds);
    const isCurrent = isYoung && authorities.isCurrent(kept.stored);
    return isCurrent && kept.made.every(({ key, known: made }) => serials.get(key) === made) ? kept.answer : undefined;
  };

  return {
    /** Forgets what an entry of the log is about. */
    apply({ type, payload }: LogEntry): void {
      switch (type) {
        case 'certificate':
        case 'release':
          changes++;
          return void serials.delete(keyOfSerial(payload.issuer, payload.serialNumber));
        case 'thing':
        case 'thing-changed':
        case 'token-family':
        case 'policy':
        case 'segment':
        case 'key':
        case 'issuer':
        case 'token-keys':
        case 'account':
        case 'session':
        case 'command':
        case 'pipeline':
        case 'person':
        case 'authority':
        case 'unknown':
          return;
      }
    },

    /** Forgets everything: the log is another one. */
    clear(): void {
      changes++;
      serials.clear();
      answers.clear();
    },

    /**
     * The answer that is remembered under a name of a request, if everything in it still holds. @throws DomainError `not-ready`
     */
    recall(requestName: string): OcspAnswer | undefined {
      requireLease();
      return recall(requestName);
    },

    /**
     * The answer to a request in DER, covering what was acknowledged before, remembered under its name.
     * @throws DomainError `not-ready`
     */
    async answer(request: Buffer, requestName: string): Promise<OcspAnswer> {
      requireLease();
      const parsed = parseOcspRequest(request);
      if (!parsed) return { der: unsignedResponses.malformedRequest };
      const found = await Promise.all(parsed.certIds.map(authorities.find));
      const stored = found.find((each) => each !== undefined);
      if (!stored) return { der: unsignedResponses.unauthorized };
      // One answer has one signer: what another authority issued is unknown to this one.
      const own = parsed.certIds.filter((_, index) => found[index]?.id === stored.id);
      const wanted = own.map(({ serialNumber }) => serialNumber);
      const bySerial = await lookUp(stored.id, wanted);
      const responder = await responderOf(stored);
      requireLease();
      const signedAt = wholeSeconds(clock());
      const thisUpdate = thisUpdateOf(signedAt);
      const nextUpdate = addSeconds(signedAt, validSeconds);
      const answered = parsed.certIds.map((certId, index) => ({
        certId,
        status: statusOf(
          found[index]?.id === stored.id ? bySerial.get(certId.serialNumber) : undefined,
          stored,
          thisUpdate,
        ),
      }));
      const bytes = encodeOcspResponse(responder, answered, { thisUpdate, nextUpdate, nonce: parsed.nonce });
      // A nonce does not come again.
      if (parsed.nonce) return { der: bytes };
      const etag = `"${hash('sha256', bytes, 'base64url')}"`;
      const cached = { etag, lastModified: signedAt.toUTCString(), expires: nextUpdate.toUTCString() };
      const answer = { der: bytes, cached };
      const made = wanted.flatMap((serialNumber) => {
        const found = bySerial.get(serialNumber);
        return found ? [{ key: keyOfSerial(stored.id, serialNumber), known: found }] : [];
      });
      // Who is unknown may be provisioned any moment, which the log does not tell.
      if (made.length === parsed.certIds.length) answers.set(requestName, { answer, signedAt, stored, made });
      return answer;
    },
  };
}

// INVARIANT: good is said of what was issued, and of nothing else.
function statusOf(known: KnownSerial | undefined, { listSuperseded }: StoredIssuer, thisUpdate: Date): CertStatus {
  if (!known) return { status: 'unknown' };
  const { revokedAt, reason } = known;
  if (!revokedAt || (reason === 'superseded' && !listSuperseded)) return { status: 'good' };
  return { status: 'revoked', revokedAt: revocationDateOf(revokedAt, thisUpdate), reason: reason as RevocationReason };
}
