import { createHmac, createPrivateKey, createPublicKey, sign, timingSafeEqual, type KeyObject } from 'node:crypto';
import { addSeconds, type Clock } from '../clock.js';
import type { KeyAlgorithm } from '../settings/settings.js';
import { openJwtKey, type JwtKey } from './jwt.js';
import { sealedAs, type Sealer } from '../sealing.js';
import { createAccessKey, createRefreshKey } from './key-material.js';
import { toJwk, type StoredTokenKey, type TokenKeyRows, type TokenKeyStore } from './key-store.js';
import { isCanonicalJwt } from '../pki/strict-jwt.js';

type Deps = { store: TokenKeyStore; sealer: Sealer; clock: Clock; algorithm: KeyAlgorithm };

/** Access tokens live this long. */
export const accessTokenSeconds = 900;
/** How long relying parties may keep the key set. */
export const jwksMaxAgeSeconds = 300;
// A new key is published this long before it signs, so that everyone who keeps the set has it by then.
const publishSeconds = 2 * jwksMaxAgeSeconds;
const retireSeconds = accessTokenSeconds + 300;

type AccessKey = { stored: StoredTokenKey; jwt: JwtKey; privateKey: KeyObject };
/** Access keys by the first segment of the tokens that they sign. */
type Keys = { access: Map<string, AccessKey>; refresh: Buffer[] };

export type TokenKeys = ReturnType<typeof createTokenKeys>;

/**
 * The keys of access and refresh tokens: made on the first start, shared by all instances through the
 * database, and read again now and then.
 */
export function createTokenKeys({ store, sealer, clock, algorithm }: Deps) {
  const open = async (stored: StoredTokenKey): Promise<[header: string, key: AccessKey]> => {
    const privateKey = createPrivateKey({
      key: sealer.open(stored.sealed, sealedAs.tokenKey(stored.kid)),
      format: 'der',
      type: 'pkcs8',
    });
    const jwt = await openJwtKey(stored.kid, stored.algorithm as KeyAlgorithm, privateKey, createPublicKey(privateKey));
    return [jwt.sign({}).split('.')[0]!, { stored, jwt, privateKey }];
  };

  const load = async (rows: StoredTokenKey[]): Promise<Keys> => {
    const known = new Map([...keys.access].map(([header, key]) => [key.stored.kid, [header, key] as const]));
    const access = new Map<string, AccessKey>();
    for (const stored of rows.filter(({ purpose }) => purpose === 'access')) {
      const before = known.get(stored.kid);
      if (before) access.set(before[0], { ...before[1], stored });
      else access.set(...(await open(stored)));
    }
    const refresh = rows
      .filter(({ purpose }) => purpose === 'refresh')
      .map(({ kid, sealed }) => sealer.open(sealed, sealedAs.tokenKey(kid)));
    return { access, refresh };
  };

  const reload = async (): Promise<void> => void (keys = await load(await store.unretired(clock())));

  const addAndRetireOthers = async (rows: TokenKeyRows): Promise<string> => {
    const signsFrom = addSeconds(clock(), publishSeconds);
    const key = createAccessKey(sealer, algorithm, clock(), signsFrom);
    await rows.insert(key);
    const retired = await rows.retireOthers(key.kid, addSeconds(signsFrom, retireSeconds));
    await rows.tell(clock(), [key], retired);
    return key.kid;
  };

  const ensure = async (rows: TokenKeyRows): Promise<void> => {
    const present = await rows.unretired(clock());
    const newest = present.find(({ purpose }) => purpose === 'access');
    // The first key of a database, or of its new epoch after a restore: edges read a snapshot before they see a token of it.
    if (!newest) await rows.insert(createAccessKey(sealer, algorithm, clock(), clock()));
    // What goes to the log comes last in a transaction.
    if (!present.some(({ purpose }) => purpose === 'refresh')) await rows.insert(createRefreshKey(sealer, clock()));
    if (newest && newest.algorithm !== algorithm) await addAndRetireOthers(rows);
  };

  const current = (): AccessKey => {
    const now = clock();
    const signing = [...keys.access.values()].filter(({ stored }) => stored.signsFrom <= now);
    return signing.reduce((newest, key) => (key.stored.signsFrom > newest.stored.signsFrom ? key : newest));
  };

  const macOf = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();

  let keys: Keys = { access: new Map(), refresh: [] };

  return {
    /** Makes the keys unless they exist, and reads them. */
    async start(): Promise<void> {
      await store.exclusively(ensure);
      await reload();
    },

    /** Publishes a new key now, signs with it later, and retires the others once their last token has expired. Returns its kid. */
    async rotate(): Promise<string> {
      const kid = await store.exclusively(addAndRetireOthers);
      await reload();
      return kid;
    },

    /** Reads the keys again; called now and then, so that a rotation elsewhere arrives before it signs. */
    reload,

    /** The key that signs now, for signed documents of other types (RFC 7518 §3.1). */
    signer(): { kid: string; alg: string; sign(bytes: Uint8Array): Buffer } {
      const { stored, privateKey } = current();
      const hash = stored.algorithm === 'EdDSA' ? null : 'sha256';
      const signBytes = (bytes: Uint8Array) => sign(hash, bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return { kid: stored.kid, alg: stored.algorithm, sign: signBytes };
    },

    signAccess: (claims: object): string => current().jwt.sign(claims),

    /**
     * The claims of an access token that one of these keys signed; undefined for anything else. The header
     * must be, to the byte, one that Thingward writes: no algorithm, key or extension of the sender's choosing. A signature has
     * one way to be written, so that nobody makes a second token out of one.
     */
    verifyAccess(token: string): Record<string, unknown> | undefined {
      const key = keys.access.get(token.slice(0, Math.max(0, token.indexOf('.'))));
      if (!key || (key.stored.retiresAt && key.stored.retiresAt <= clock()) || !isCanonicalJwt(token)) return undefined;
      try {
        return key.jwt.verify(token);
      } catch {
        return undefined;
      }
    },

    /** The public keys, RFC 7517: current, coming and going. */
    jwks: () => ({
      keys: [...keys.access.values()].map(({ stored }) => toJwk(stored)),
    }),

    macRefresh: (text: string): Buffer => macOf(keys.refresh[0]!, text),

    isRefreshMac: (text: string, mac: Buffer): boolean =>
      keys.refresh.some((key) => mac.length === 32 && timingSafeEqual(macOf(key, text), mac)),
  };
}
