import { randomUUID } from 'node:crypto';
import { rfc3339, type Clock } from '../clock.js';
import type { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { AccountStore, AcmeAccount } from './account-store.js';
import type { ExternalBinding } from './binding.js';
import { readJwk, type AccountKey } from './signed/jwk.js';
import { isAuthenticatedBy, isSignedBy, readJws, readOctets, requireAlgorithm, type Jws } from './signed/jws.js';
import { uuidForm, type Links } from './links.js';
import { isRead, payloadOf } from './signed/payload.js';
import { refusal } from './problem.js';
import { requireActive, requireOwn, type ByAccount, type ByKey } from './signed/requests.js';
import * as schema from './schema.js';

type Deps = {
  store: AccountStore;
  clock: Clock;
  links: Links;
  bindingOf(enrollmentId: string): ExternalBinding;
  /** The account of an enrollment. */
  accountOfEnrollment(id: string): Promise<string | undefined>;
};

const mailForm = /^[^\s@,;?]{1,64}@[^\s@,;?]{1,255}$/;

export type AccountService = ReturnType<typeof createAccountService>;

/** Who acts on an account: the audit shows it under the account's own name. */
export const actingAs = ({ id }: { id: string }, origin: Origin): Origin => ({ ...origin, actor: `acme:${id}` });

/** Accounts of ACME (RFC 8555 §7.3). */
export function createAccountService({ store, clock, links, bindingOf, accountOfEnrollment }: Deps) {
  /** The enrollment whose binding a request shows for its key (RFC 8555 §7.3.4). */
  const enrollmentOf = async (bound: unknown, { key, jws }: ByKey): Promise<{ id: string; account: string }> => {
    if (bound === undefined)
      throw refusal(
        'externalAccountRequired',
        'this server takes accounts with an external account binding alone: use eab of an enrollment',
      );
    const inner = readJws(bound, 'externalAccountBinding');
    const { kid, url, nonce } = inner.header;
    if (url !== jws.header['url'] || nonce !== undefined)
      throw refusal('malformed', 'externalAccountBinding has to have the url of its request, and no nonce');
    const wrong = () =>
      refusal('unknownCredential', 'the external account binding is of no enrollment: use kid and hmacKey of its eab');
    if (typeof kid !== 'string' || !uuidForm.test(kid)) throw wrong();
    if (!isAuthenticatedBy(inner, Buffer.from(bindingOf(kid).hmacKey, 'base64url'))) throw wrong();
    const bindsKey = readJwk(readOctets(inner.payload, 'payload of externalAccountBinding'));
    if (!bindsKey.spki.equals(key.spki))
      throw refusal(
        'malformed',
        'externalAccountBinding binds another key: its payload has to be the jwk of the request',
      );
    const account = await accountOfEnrollment(kid);
    if (account === undefined) throw wrong();
    return { id: kid, account };
  };

  const shown = (account: AcmeAccount) => ({
    status: account.status,
    ...(account.contact.length > 0 ? { contact: account.contact } : {}),
    orders: links.orders(account.id),
    createdAt: rfc3339(account.createdAt),
  });

  const known = async (key: AccountKey, spend: ByKey['spend']): Promise<AcmeAccount | undefined> => {
    const account = await store.findByKey(key.spkiSha256);
    if (!account) return undefined;
    requireActive(account);
    await spend(account);
    return account;
  };

  return {
    /** The account of a key: the one that there is, or a new one that an enrollment admits. @throws DomainError of ACME */
    async open(asked: ByKey, origin: Origin) {
      const { key, jws, spend } = asked;
      const { contact = [], onlyReturnExisting, externalAccountBinding } = payloadOf(jws, schema.newAccount);
      const existing = await known(key, spend);
      if (existing) return { created: false, id: existing.id, shown: shown(existing) };
      if (onlyReturnExisting)
        throw refusal('accountDoesNotExist', 'no account has this key: ask without onlyReturnExisting');
      requireContact(contact);
      const enrollment = await enrollmentOf(externalAccountBinding, asked);
      if (await store.isOfThing(enrollment.account, key)) throw ofThing();
      await spend(enrollment);
      const id = randomUUID();
      const account = { id, account: enrollment.account, enrollmentId: enrollment.id, key, contact, at: clock() };
      const created = await store.create(account, actingAs(account, origin));
      const stored = (await store.findByKey(key.spkiSha256))!;
      return { created, id: stored.id, shown: shown(stored) };
    },

    /** Reads or changes an account, or ends it. @throws DomainError of ACME */
    async update({ account, jws }: ByAccount, id: string, origin: Origin) {
      requireOwn(account, id);
      if (isRead(jws)) return shown(account);
      const { contact, status } = payloadOf(jws, schema.accountUpdate);
      const actor = actingAs(account, origin);
      if (status === 'deactivated') {
        await store.deactivate(account, clock(), actor);
        return shown({ ...account, status });
      }
      if (status !== undefined && status !== account.status)
        throw refusal('malformed', 'payload status: an account can only become deactivated');
      if (contact === undefined) return shown(account);
      requireContact(contact);
      await store.setContact(account, contact, clock(), actor);
      return shown({ ...account, contact });
    },

    /** Gives an account another key, which signed the inner request (RFC 8555 §7.3.5). @throws DomainError of ACME */
    async changeKey({ account, jws }: ByAccount, origin: Origin) {
      const key = newKeyOf(jws, account, links);
      const taken = await store.findByKey(key.spkiSha256);
      if (taken) throw keyTaken(links.account(taken.id));
      if (await store.isOfThing(account.account, key)) throw ofThing();
      const changed = await store
        .changeKey(account, key, clock(), actingAs(account, origin))
        .catch((error: unknown) => {
          if (store.isTaken(error)) throw keyTaken(undefined);
          throw error;
        });
      if (!changed)
        throw refusal('conflict', 'the key of the account was changed meanwhile: sign with the present one');
      return shown({ ...account, key });
    },
  };
}

/** The key that an account asks for, proved by its signature. @throws DomainError of ACME */
function newKeyOf({ header, payload }: Jws, account: AcmeAccount, links: Links): AccountKey {
  const inner = readJws(readOctets(payload, 'payload'), 'payload');
  requireAlgorithm(inner);
  const { jwk, kid, url, nonce } = inner.header;
  if (url !== header['url'] || nonce !== undefined || kid !== undefined)
    throw refusal(
      'malformed',
      'the inner request has to have jwk and the url of the outer one, and no kid and no nonce',
    );
  const key = readJwk(jwk);
  if (!isSignedBy(inner, key))
    throw refusal('malformed', 'the new key did not sign the inner request with its algorithm');
  const said = payloadOf(inner, schema.keyChange);
  if (links.idOfAccount(said.account) !== account.id)
    throw refusal('malformed', 'account of the inner request has to be the URL of the account');
  if (!readJwk(said.oldKey).spki.equals(account.key.spki))
    throw refusal('malformed', 'oldKey of the inner request has to be the present key of the account');
  return key;
}

// Whoever can sign with a certified key must not act for an account with it (RFC 8555 §11.1).
function ofThing(): DomainError {
  return refusal('badPublicKey', 'this key was certified for a thing, or revoked as compromised: make a new one');
}

function keyTaken(location: string | undefined): DomainError {
  const detail = 'the new key belongs to an account: make another one';
  return refusal('conflict', detail, location === undefined ? {} : { location });
}

/** @throws DomainError `unsupportedContact`, `invalidContact` */
function requireContact(contact: string[]): void {
  for (const url of contact) {
    if (!url.startsWith('mailto:'))
      throw refusal('unsupportedContact', 'contact: only mailto: is taken; leave the others out');
    if (!mailForm.test(url.slice(7)))
      throw refusal('invalidContact', 'contact: a mailto: URL has to be one address, without more');
  }
}
