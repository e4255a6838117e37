import { inflateSync } from 'node:zlib';
import { systemClock } from '../clock.js';
import { isSetIn } from '../compact/bits.js';
import { openGaps } from '../compact/gap-list.js';
import { isSigned, unpackList, type PublicJwk } from '../compact/signed-list.js';

/** Which certificates of one CA are revoked, by the index in each. */
export type RevokedIndices = {
  /** Indices at or above this were not given out when the list was signed: fetch a newer one. */
  size: number;
  signedAt: Date;
  endsAt: Date;
  isRevoked(index: number): boolean;
};

type Options = { keys: PublicJwk[]; now?: Date };

/**
 * Opens a gap list (`GET /status/{issuerId}.gaps`). `keys` are those of `/.well-known/jwks.json`.
 * @throws Error when its signature is wrong, it is of another CA, or it has ended
 * @example
 * const { keys } = await (await fetch(`${server}/.well-known/jwks.json`)).json();
 * const list = openGapList(new Uint8Array(await (await fetch(url)).arrayBuffer()), issuerId, { keys });
 */
export function openGapList(
  bytes: Uint8Array,
  issuerId: string,
  { keys, now = systemClock() }: Options,
): RevokedIndices {
  const { claims, gaps } = unpackList(Buffer.from(bytes), keys);
  if (claims.issuerId !== issuerId)
    throw new Error(`the list belongs to the CA ${claims.issuerId}, not to ${issuerId}`);
  requireCurrent(claims.endsAt, now);
  const list = openGaps(gaps);
  return { size: list.size, signedAt: claims.signedAt, endsAt: claims.endsAt, isRevoked: list.has };
}

/**
 * Opens a Token Status List (`GET /status/{issuerId}`). `url` is where it was fetched, which its `sub` must repeat.
 * @throws Error when its signature is wrong, it is of another CA, or it has ended
 * @example
 * const isRevoked = openStatusList(await (await fetch(url)).text(), url, { keys }).isRevoked(index);
 */
export function openStatusList(jwt: string, url: string, { keys, now = systemClock() }: Options): RevokedIndices {
  const [header = '', payload = '', signature = '', ...more] = jwt.split('.');
  const { typ, kid } = decode(header) as { typ?: string; kid?: string };
  const key = keys.find((each) => each.kid === kid);
  if (more.length > 0 || typ !== 'statuslist+jwt' || !key) throw new Error('this is not a status list of a known key');
  if (!isSigned(key, Buffer.from(`${header}.${payload}`), Buffer.from(signature, 'base64url')))
    throw new Error('the signature of the list is wrong');
  const { sub, iat, exp, status_list: list } = decode(payload) as StatusClaims;
  if (sub !== url) throw new Error(`the list belongs to ${sub}, not to ${url}`);
  if (list.bits !== 1) throw new Error('a status list of one bit for each certificate is expected');
  const endsAt = new Date(exp * 1000);
  requireCurrent(endsAt, now);
  const bytes = inflateSync(Buffer.from(list.lst, 'base64url'));
  const isRevoked = (index: number): boolean => isSetIn(bytes, index);
  return { size: bytes.length * 8, signedAt: new Date(iat * 1000), endsAt, isRevoked };
}

type StatusClaims = { sub: string; iat: number; exp: number; status_list: { bits: number; lst: string } };

function decode(part: string): object {
  return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as object;
}

function requireCurrent(endsAt: Date, now: Date): void {
  if (endsAt <= now) throw new Error(`the list ended at ${endsAt.toISOString()}: fetch it again`);
}
