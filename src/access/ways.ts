import { LRUCache } from 'lru-cache';
import { hashCredential } from './credentials.js';
import type { HeldCertificate } from '../registry.js';
import type { Way } from './caller.js';
import type { Grantee } from './grantee.js';

type ApiKeys = {
  isRemembered(hash: Buffer): boolean;
  findCaller(token: string): Grantee | undefined | Promise<Grantee | undefined>;
  markKeys(): number | undefined;
  isUnchanged(grantee: Pick<Grantee, 'expiresAt'>, mark: number | undefined): boolean;
};

type Sessions = {
  isRemembered(token: string): boolean;
  find(token: string): Grantee | undefined | Promise<Grantee | undefined>;
  mark(): number | undefined;
  isUnchanged(grantee: Grantee, mark: number | undefined): boolean;
};

type Enrollments = {
  isRemembered(hash: Buffer): boolean;
  covering(hash: Buffer): Promise<{ id: string; account: string } | undefined>;
};

type Deps = {
  apiKeys: ApiKeys;
  signIn: { sessions: Sessions };
  enrollments: Enrollments;
  tokens: { findBearer(token: string): Promise<HeldCertificate | undefined> };
};

/** Every way to become a caller. The first that takes a credential decides about it; the last takes any. */
export function createWays({ apiKeys, signIn, enrollments, tokens }: Deps): Way[] {
  return [byApiKey(apiKeys), bySession(signIn.sessions), byEnrollment(enrollments), byAccessToken(tokens)];
}

function byApiKey({ isRemembered, findCaller, markKeys, isUnchanged }: ApiKeys): Way {
  return {
    takes: (credential) => credential.startsWith('twk_'),
    isRemembered: (credential) => isRemembered(hashCredential(credential)),
    find: findCaller,
    mark: markKeys,
    isUnchanged: (caller, mark) => caller.kind === 'grantee' && isUnchanged(caller, mark),
  };
}

/** A person who signed in, by the cookie of their session. `credentialOf` takes it from a cookie alone. */
function bySession({ isRemembered, find, mark, isUnchanged }: Sessions): Way {
  return {
    takes: (credential) => credential.startsWith('tws_'),
    isRemembered,
    find,
    mark,
    isUnchanged: (caller, before) => caller.kind === 'grantee' && isUnchanged(caller, before),
  };
}

function byEnrollment({ isRemembered, covering }: Enrollments): Way {
  return {
    takes: (credential) => credential.startsWith('twe_'),
    isRemembered: (credential) => isRemembered(hashCredential(credential)),
    async find(credential) {
      const tokenHash = hashCredential(credential);
      const enrollment = await covering(tokenHash);
      if (!enrollment) return undefined;
      const { id, account } = enrollment;
      return { kind: 'enrollment', id, account, actor: `enrollment:${id}`, tokenHash };
    },
  };
}

/** A device with an access token, which is bound to its certificate. */
function byAccessToken({ findBearer }: Deps['tokens']): Way {
  const good = new LRUCache<string, true>({ max: 10_000 });
  const keyOf = (credential: string): string => hashCredential(credential).toString('base64');
  return {
    takes: () => true,
    isRemembered: (credential) => good.has(keyOf(credential)),
    async find(credential) {
      const certificate = await findBearer(credential);
      if (!certificate) return undefined;
      good.set(keyOf(credential), true);
      const { account, name } = certificate.thing;
      return { kind: 'thing', account, actor: `thing:${name}`, certificate };
    },
  };
}
