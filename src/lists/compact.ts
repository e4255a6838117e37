import { LRUCache } from 'lru-cache';
import { addSeconds, numericDate, wholeSeconds, type Clock } from '../clock.js';
import { bitmapOf, type Bitmap } from '../compact/bits.js';
import { deflateBitmap } from '../compact/deflate.js';
import { encodeGaps } from '../compact/gap-list.js';
import { packList } from '../compact/signed-list.js';
import { inSlices } from '../slices.js';
import type { List } from './lists.js';

type Signer = { kid: string; alg: string; sign(bytes: Uint8Array): Buffer };

type Deps = {
  clock: Clock;
  /** What an issuer has revoked, covering everything that was acknowledged before the call. @throws DomainError */
  contents<Result>(issuerId: string, take: (list: List) => Result): Promise<Result>;
  /** One more than the highest index that an issuer may have given out. */
  size(issuerId: string): Promise<number>;
  signer(): Signer;
  /** The issuer in the tokens, and where the list of a CA is. */
  tokenIssuer: string;
  statusUrl(issuerId: string): string;
};

/** A signed list and what caches use. */
export type CompactList = { bytes: Buffer; etag: string; signedAt: Date; endsAt: Date };

type Made = {
  /** The contents that it was made from, while they are in memory, and where they last changed. */
  list: WeakRef<List>;
  lastChange: number;
  size: number;
  position: number;
  signedAt: Date;
  bitmap: Promise<Bitmap>;
  gaps?: Promise<CompactList>;
  status?: Promise<CompactList>;
};

const validSeconds = 86_400;
const remakeSeconds = 3600;
/** How long a reader may go without asking for a newer one. */
const ttlSeconds = 60;

export type CompactLists = ReturnType<typeof createCompactLists>;

// Of some certificates a restored backup knows the serial number alone: they stand in no compact list.
const isKnown = (index: number): boolean => index >= 0;

/** What an issuer revoked, by the indices in its certificates: a bit each, or the gaps between them. Holds count as revoked. */
export function createCompactLists(deps: Deps) {
  const { clock, contents, signer } = deps;
  const made = new LRUCache<string, Made>({ max: 1000 });

  /** What is known of a list while it says what the contents say, or what is made from them now. */
  const madeFrom = (issuerId: string, list: List, size: number): Made => {
    const known = made.get(issuerId);
    const signedAt = wholeSeconds(clock());
    const isYoung = known && signedAt >= known.signedAt && signedAt < addSeconds(known.signedAt, remakeSeconds);
    const isSame = known?.list.deref() === list && known.lastChange === list.lastChange;
    if (isYoung && isSame && known.size >= size) return known;
    // The indices are copied before anything else happens: what is revoked later is in the next list.
    const indices = list.entries.indices().filter(isKnown);
    // A certificate may have been issued and revoked since the size was read.
    const widest = indices.reduce((most, index) => Math.max(most, index + 1), size);
    const bitmap = inSlices(bitmapOf(indices, widest));
    const { lastChange } = list;
    const from = { list: new WeakRef(list), lastChange, position: list.position() };
    const fresh: Made = { ...from, size: widest, signedAt, bitmap };
    made.set(issuerId, fresh);
    return fresh;
  };

  const current = async (issuerId: string): Promise<Made> => {
    const size = await deps.size(issuerId);
    return contents(issuerId, (list) => madeFrom(issuerId, list, size));
  };

  const listOf = ({ lastChange, size, signedAt }: Made, bytes: Buffer, kind: string): CompactList => {
    const etag = `"${lastChange}-${size}-${numericDate(signedAt)}-${kind}"`;
    return { bytes, etag, signedAt, endsAt: addSeconds(signedAt, validSeconds) };
  };

  const makeGaps = async (issuerId: string, of: Made): Promise<CompactList> => {
    const gaps = await inSlices(encodeGaps(await of.bitmap));
    const { kid, sign } = signer();
    const endsAt = addSeconds(of.signedAt, validSeconds);
    const packed = packList({ issuerId, signedAt: of.signedAt, endsAt, position: of.position }, gaps, kid);
    return listOf(of, Buffer.concat([packed, sign(packed)]), 'gaps');
  };

  const makeStatus = async (issuerId: string, of: Made): Promise<CompactList> => {
    const lst = (await deflateBitmap(await of.bitmap)).toString('base64url');
    const { kid, alg, sign } = signer();
    const iat = numericDate(of.signedAt);
    const times = { iat, exp: iat + validSeconds, ttl: ttlSeconds };
    const claims = { iss: deps.tokenIssuer, sub: deps.statusUrl(issuerId), ...times, status_list: { bits: 1, lst } };
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const input = `${encode({ alg, kid, typ: 'statuslist+jwt' })}.${encode(claims)}`;
    return listOf(of, Buffer.from(`${input}.${sign(Buffer.from(input)).toString('base64url')}`), 'status');
  };

  return {
    /** The gap list of an issuer, signed. @throws DomainError `not-found`, `not-ready` */
    async gaps(issuerId: string): Promise<CompactList> {
      const of = await current(issuerId);
      return (of.gaps ??= makeGaps(issuerId, of));
    },

    /** The Token Status List of an issuer: a JWT with a bit for every certificate. @throws DomainError `not-found`, `not-ready` */
    async status(issuerId: string): Promise<CompactList> {
      const of = await current(issuerId);
      return (of.status ??= makeStatus(issuerId, of));
    },
  };
}
