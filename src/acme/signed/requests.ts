import { LRUCache } from 'lru-cache';
import { DomainError } from '../../errors.js';
import type { AccountStore, AcmeAccount } from '../account-store.js';
import { readJwk, type AccountKey } from './jwk.js';
import { isSignedBy, readJws, readObject, requireAlgorithm, type Jws } from './jws.js';
import type { Links } from '../links.js';
import type { Nonce, Nonces } from './nonces.js';
import { refusal } from '../problem.js';

/** A POST as it came: its body, and its path with the query. */
export type Posted = { body: string; path: string };

/** A request that an account signed. Its nonce is used up. */
export type ByAccount = { account: AcmeAccount; jws: Jws };

/** A request that the key in its header signed. Whose key that is, and whether it is anybody's, is not judged. */
export type ByKey = {
  key: AccountKey;
  jws: Jws;
  /** Uses the nonce up for whoever has the key: to be called once that is known, before anything changes. @throws DomainError `badNonce`, `rateLimited` */
  spend(by: Signer): Promise<void>;
};

/** Who signed something: a name for them, and their tenant. */
export type Signer = { id: string; account: string };

type Deps = {
  accounts: Pick<AccountStore, 'find'>;
  nonces: Nonces;
  links: Links;
  /** Counts a request. @throws DomainError `too-many-requests` beyond the rate of the signer or the tenant */
  take(by: Signer): void;
};

const mostRemembered = 10_000;

export type Requests = ReturnType<typeof createRequests>;

/** Judges signed requests (RFC 8555 §6.2 to §6.5). */
export function createRequests({ accounts, nonces, links, take }: Deps) {
  // Accounts that signed something recently: their neighbours' failures do not lock them out.
  const lately = new LRUCache<string, true>({ max: mostRemembered });

  const read = ({ body, path }: Posted): { jws: Jws; nonce: Nonce } => {
    const jws = readJws(readObject(body, 'the body'));
    requireAlgorithm(jws);
    const { url, nonce, jwk, kid } = jws.header;
    if ((jwk === undefined) === (kid === undefined))
      throw refusal('malformed', 'protected has to have jwk or kid, and not both: see RFC 8555 §6.2');
    if (url !== links.ofRequest(path))
      throw refusal('unauthorized', `url has to be ${links.ofRequest(path)}, which the request was sent to`);
    return { jws, nonce: nonces.read(nonce) };
  };

  // The rate of whoever signs bounds what nonces leave behind.
  const spend = (nonce: Nonce, by: Signer): Promise<void> => {
    take(by);
    return nonces.use(nonce);
  };

  const byAccount = async ({ jws, nonce }: { jws: Jws; nonce: Nonce }): Promise<ByAccount> => {
    const { kid } = jws.header;
    if (kid === undefined)
      throw refusal('malformed', 'this request has to name its account in kid, and to have no jwk');
    const id = links.idOfAccount(kid);
    const account = id === undefined ? undefined : await accounts.find(id);
    if (!account) throw refusal('accountDoesNotExist', `there is no account ${short(kid)}: ask newAccount for one`);
    if (!isSignedBy(jws, account.key))
      throw refusal(
        'unknownCredential',
        'the key of the account did not sign this: sign with it, and with its algorithm',
      );
    requireActive(account);
    await spend(nonce, account);
    lately.set(account.id, true);
    return { account, jws };
  };

  const byKey = ({ jws, nonce }: { jws: Jws; nonce: Nonce }): ByKey => {
    const key = readJwk(jws.header['jwk']);
    if (!isSignedBy(jws, key))
      throw refusal('unknownCredential', 'the key in jwk did not sign this with its algorithm');
    return { key, jws, spend: (by) => spend(nonce, by) };
  };

  return {
    /** A request of an account. @throws DomainError `malformed`, `badNonce`, `unauthorized`, `accountDoesNotExist` and others of ACME */
    ofAccount: (posted: Posted): Promise<ByAccount> => byAccount(read(posted)),

    /** A request of whoever has the key in `jwk`. @throws DomainError as above */
    ofKey(posted: Posted): ByKey {
      const known = read(posted);
      if (known.jws.header['jwk'] === undefined)
        throw refusal('malformed', 'this request has to bring its key in jwk, and to have no kid');
      return byKey(known);
    },

    /** A request of an account or of a key. */
    async ofEither(posted: Posted): Promise<ByAccount | ByKey> {
      const known = read(posted);
      return known.jws.header['kid'] === undefined ? byKey(known) : byAccount(known);
    },

    /** Whether a request names an account that signed something recently. Nothing is looked up. */
    recognises({ body }: Posted): boolean {
      try {
        return lately.has(links.idOfAccount(readJws(readObject(body, 'the body')).header['kid']) ?? '');
      } catch (error) {
        if (error instanceof DomainError) return false;
        throw error;
      }
    },
  };
}

/** @throws DomainError `unauthorized` for an account that was deactivated, or whose tenant is suspended */
export function requireActive({ status, account, accountActive }: AcmeAccount): void {
  if (status !== 'valid')
    throw refusal('unauthorized', 'the account was deactivated, which is for good: make a new key, and ask newAccount');
  if (!accountActive) throw new DomainError('account-suspended', `the account ${account} is suspended`);
}

/** An account reads what is its own. @throws DomainError `unauthorized` */
export function requireOwn(account: AcmeAccount, id: string): void {
  if (account.id !== id)
    throw refusal('unauthorized', 'this belongs to another account: use the URLs that this account was given');
}

const short = (text: unknown): string => String(text).slice(0, 200);
