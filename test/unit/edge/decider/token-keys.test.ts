import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createTokenKeys, type TokenKey } from '../../../../src/edge/decider/token-keys.js';
import { openJwtKey, type JwtAlgorithm } from '../../../../src/tokens/jwt.js';

const pairs: Record<JwtAlgorithm, { privateKey: KeyObject; publicKey: KeyObject }> = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  EdDSA: generateKeyPairSync('ed25519'),
};
const claims = { sub: 't', account: 'default', iss: 'https://a.example', exp: 5 };

const shown = (kid: string, alg: JwtAlgorithm): TokenKey => ({
  ...(pairs[alg].publicKey.export({ format: 'jwk' }) as object),
  kid,
  alg,
  use: 'sig',
});

/** A key as the control plane opens it. */
const signer = (kid: string, alg: JwtAlgorithm) => openJwtKey(kid, alg, pairs[alg].privateKey, pairs[alg].publicKey);

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const entry = (came: TokenKey[], went: { kid: string; retiresAt: string }[]) => ({
  type: 'token-keys' as const,
  position: 1,
  at: new Date(0),
  account: 'default',
  payload: { came: came as never, went },
});

describe('the keys of access tokens at an edge', () => {
  it.each(['ES256', 'RS256', 'EdDSA'] as const)('verify what the control plane signed with %s', async (alg) => {
    const keys = createTokenKeys(
      () => 0,
      () => 'https://a.example',
    );
    const token = (await signer('k1', alg)).sign(claims);
    expect(keys.read(token)).toBeUndefined();
    keys.load([shown('k1', alg)]);
    expect(keys.read(token)).toMatchObject(claims);
    expect(keys.read((await signer('k2', alg)).sign(claims))).toBeUndefined();
  });

  it('refuse every other way to write a token, a header of the sender and a signature of another key', async () => {
    const keys = createTokenKeys(
      () => 0,
      () => 'https://a.example',
    );
    keys.load([shown('k1', 'ES256')]);
    const token = (await signer('k1', 'ES256')).sign(claims);
    const [header, payload, signature] = token.split('.') as [string, string, string];
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const signed = (head: string, key: KeyObject): string =>
      `${head}.${payload}.${sign('sha256', Buffer.from(`${head}.${payload}`), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    const own = pairs.ES256.privateKey;
    expect(keys.read(signed(header, own))).toMatchObject(claims);
    const wrong = {
      'another key': signed(header, other),
      'no signature': `${header}.${payload}.`,
      'two segments': `${header}.${payload}`,
      'four segments': `${token}.x`,
      padding: `${token}=`,
      'a blank': `${token} `,
      'other claims': `${header}.${encode({ ...claims, sub: 'u' })}.${signature}`,
      'alg none': `${encode({ alg: 'none', typ: 'at+jwt', kid: 'k1' })}.${payload}.`,
      'alg HS256': signed(encode({ alg: 'HS256', typ: 'at+jwt', kid: 'k1' }), own),
      'another type': signed(encode({ alg: 'ES256', typ: 'statuslist+jwt', kid: 'k1' }), own),
      'another order': signed(encode({ typ: 'at+jwt', alg: 'ES256', kid: 'k1' }), own),
      'a header more': signed(encode({ alg: 'ES256', typ: 'at+jwt', kid: 'k1', jku: 'https://b.example' }), own),
      'a DER signature': `${header}.${payload}.${sign('sha256', Buffer.from(`${header}.${payload}`), own).toString('base64url')}`,
      nothing: '',
      dots: '..',
    };
    for (const [why, forged] of Object.entries(wrong)) expect(keys.read(forged), why).toBeUndefined();
  });

  it('count for one issuer, the one of now, and for every one where it is not known', async () => {
    let issuer: string | undefined = 'https://a.example';
    const keys = createTokenKeys(
      () => 0,
      () => issuer,
    );
    keys.load([shown('k1', 'ES256')]);
    const key = await signer('k1', 'ES256');
    const other = key.sign({ ...claims, iss: 'https://b.example' });
    const reads = () =>
      [key.sign(claims), other, key.sign({ sub: 't' })].map((token) => keys.read(token) !== undefined);
    expect(reads()).toEqual([true, false, false]);
    issuer = 'https://b.example';
    expect(reads()).toEqual([false, true, false]);
    issuer = undefined;
    expect(reads()).toEqual([true, true, true]);
  });

  it('come and go with the log, at the time that it says', async () => {
    let now = Date.UTC(2026, 10, 28);
    const keys = createTokenKeys(
      () => now,
      () => 'https://a.example',
    );
    keys.load([shown('k1', 'ES256')]);
    const [first, second] = [await signer('k1', 'ES256'), await signer('k2', 'RS256')];
    keys.apply(entry([shown('k2', 'RS256')], [{ kid: 'k1', retiresAt: '2026-11-28T00:20:00Z' }]));
    expect([keys.read(first.sign(claims)), keys.read(second.sign(claims))]).toEqual([
      expect.objectContaining(claims),
      expect.objectContaining(claims),
    ]);
    const again = createTokenKeys(
      () => now,
      () => 'https://a.example',
    );
    again.load(keys.shown());
    now += 20 * 60_000;
    for (const each of [keys, again]) {
      expect(each.read(first.sign(claims))).toBeUndefined();
      expect(each.read(second.sign(claims))).toMatchObject(claims);
    }
  });

  it('of an algorithm that is not known here verify nothing', () => {
    const keys = createTokenKeys(
      () => 0,
      () => 'https://a.example',
    );
    keys.load([{ ...shown('k1', 'ES256'), alg: 'ML-DSA-44' }]);
    expect(keys.shown()).toEqual([]);
  });
});
