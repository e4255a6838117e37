import { createPrivateKey } from 'node:crypto';
import { requireMatch } from '../api/etag.js';
import type { AppendAudit } from '../audit/store.js';
import { wholeSeconds, type Clock } from '../clock.js';
import type { Commit, Transaction } from '../db/client.js';
import { DomainError } from '../errors.js';
import { mostOfAccount, tooMany } from '../limits.js';
import type { AppendLog } from '../log/append.js';
import { authorityEntry, issuerEntry } from '../log/builders.js';
import type { Origin } from '../origin.js';
import { encodeAuthorityRequest } from '../pki/chain/request.js';
import { issuerId, type Issuer } from '../pki/issuer.js';
import { createSigner, type Signer } from '../pki/signer.js';
import { sealedAs, type Sealer } from '../sealing.js';
import { chainOf, pemOf } from './chains.js';
import { installCertificate } from './intermediate.js';
import type { Making } from './making.js';
import type { IssuerStore } from './store.js';
import { firstSettings, firstState, type StoredIssuer } from './stored.js';
import { issuerTag } from './tag.js';

type Deps = {
  store: IssuerStore;
  commit: Commit;
  audit: AppendAudit;
  log: AppendLog;
  sealer: Pick<Sealer, 'open'>;
  clock: Clock;
  making: Making;
  open(stored: StoredIssuer): Issuer;
  unexpired(account: string): Promise<StoredIssuer[]>;
  /** Opens a list of an issuer, inside a transaction. */
  openList(tx: Transaction, issuerId: string, scope: string, at: Date): Promise<void>;
};

type Act = { account: string; id: string; origin: Origin };

/** The kinds of authorities that can be prepared: one under the account's own root, or one that somebody else signs. */
export const preparedKinds = ['issuing', 'intermediate'] as const;

const epoch = new Date(0);

/** The life of the authorities that issue: prepared, active, retired. One is active; every unexpired one stays in every bundle. */
export function createRotation(deps: Deps) {
  const { store, commit, audit, log, clock, making, open, unexpired, openList, sealer } = deps;

  const record = (tx: Transaction, { account, id, origin }: Act, act: string, at: Date, detail: object = {}) =>
    audit(tx, { at, account, origin, action: `issuer.${act}`, target: `issuer:${id}`, detail });

  const makeIssuing = async (account: string): Promise<StoredIssuer> => {
    const roots = (await unexpired(account)).filter(({ kind }) => kind === 'root');
    const root = roots.find(({ keyPlace }) => keyPlace === 'here');
    if (!root)
      throw new DomainError(
        'conflict',
        'the key of the root is not here: prepare an intermediate, and have its request signed where the key is',
      );
    return { ...(await making.makeIssuing(account, open(root))), status: 'prepared' };
  };

  const makeWaiting = async (account: string): Promise<StoredIssuer> => {
    const { privateKey, sealFor } = await making.makeKey();
    const id = issuerId(createSigner(privateKey).publicKey.subjectPublicKey);
    return {
      ...firstSettings,
      ...firstState,
      id,
      account,
      kind: 'issuing',
      parentId: null,
      intermediate: true,
      status: 'waiting',
      certificateDer: Buffer.alloc(0),
      sealedKey: sealFor(id),
      notBefore: epoch,
      notAfter: epoch,
    };
  };

  const signerOf = ({ id, sealedKey }: StoredIssuer): Signer =>
    createSigner(createPrivateKey({ key: sealer.open(sealedKey, sealedAs.issuer(id)), format: 'der', type: 'pkcs8' }));

  /** An issuer that issues or is to, with all of its account, locked. @throws DomainError `not-found`, `precondition-failed` */
  const lockOne = async (tx: Transaction, { account, id, origin }: Act, at: Date) => {
    const all = await store.lockAll(tx, account, at);
    const found = all.find((each) => each.id === id);
    if (!found) throw new DomainError('not-found', `there is no unexpired issuer ${id}`);
    requireMatch(origin, issuerTag(found));
    if (found.kind === 'root')
      throw new DomainError('conflict', `${id} is above the CAs that issue: name one of these, or prepare one`);
    return { all, found };
  };

  /** Tells instances and edges that an authority is in bundles from now on. */
  const announce = (tx: Transaction, at: Date, issuer: StoredIssuer, all: StoredIssuer[]) =>
    log(tx, at, [
      issuerEntry(issuer.account, issuer.id),
      authorityEntry(issuer.account, issuer.id, pemOf(chainOf(issuer, all))),
    ]);

  return {
    /** Makes a CA that does not issue yet. @throws DomainError `conflict` without a root here, `too-many-requests` */
    async prepare(account: string, kind: (typeof preparedKinds)[number], origin: Origin): Promise<StoredIssuer> {
      const made = kind === 'issuing' ? await makeIssuing(account) : await makeWaiting(account);
      return commit(async (tx) => {
        const at = clock();
        await store.lockAll(tx, account, at);
        await store.forgetUnused(tx, account);
        const all = await store.lockAll(tx, account, at);
        if (all.length >= mostOfAccount.issuers)
          throw tooMany('certificate authorities', mostOfAccount.issuers, 'retire what was prepared and is not needed');
        await store.insert(tx, made, wholeSeconds(at));
        await record(tx, { account, id: made.id, origin }, 'prepare', at, { kind });
        if (kind === 'intermediate') return made;
        await openList(tx, made.id, 'complete', at);
        await announce(tx, at, made, [made, ...all]);
        return made;
      });
    },

    /** The request for the certificate of an intermediate, PEM. @throws DomainError `not-found`, `conflict` */
    async request(account: string, id: string): Promise<string> {
      const found = await store.find(id);
      if (found?.account !== account) throw new DomainError('not-found', `there is no issuer ${id}`);
      if (!found.intermediate || found.sealedKey.length === 0)
        throw new DomainError(
          'conflict',
          `${id} has no request: POST /v1/issuers with the kind intermediate makes one`,
        );
      return encodeAuthorityRequest(account, signerOf(found));
    },

    /** Takes the certificate of an intermediate, with the chain above it. @throws DomainError `not-found`, `bad-chain`, `conflict` */
    putCertificate: (act: Act, pem: string): Promise<StoredIssuer> =>
      commit(async (tx) => {
        const at = clock();
        const { all, found } = await lockOne(tx, act, at);
        const { publicKey } = signerOf(requireUsable(found));
        const { issuer, chain } = await installCertificate({ tx, store, at, all, found, pem, spki: publicKey.spki });
        if (issuer === found) return found;
        await openList(tx, issuer.id, 'complete', at);
        await record(tx, act, 'certificate', at, { chain: chain.map(({ id }) => id) });
        await announce(tx, at, issuer, [issuer, ...chain]);
        return issuer;
      }),

    /** Issues by this one from now on, and retires the one before. @throws DomainError `not-found`, `conflict` */
    activate: (act: Act): Promise<StoredIssuer> =>
      commit(async (tx) => {
        const at = clock();
        const { all, found } = await lockOne(tx, act, at);
        if (found.status === 'active') return found;
        requireUsable(found);
        if (found.status === 'waiting')
          throw new DomainError('conflict', `${act.id} waits for its certificate: PUT it, then activate`);
        const present = all.find(({ kind, status }) => kind === 'issuing' && status === 'active');
        if (present) {
          const activatedAt = present.activatedAt ?? present.notBefore;
          await store.update(tx, present.id, { status: 'retired', retiredAt: at, activatedAt });
        }
        const change = { status: 'active', activatedAt: at, retiredAt: null } as const;
        const active = await store.update(tx, act.id, change);
        await record(tx, act, 'activate', at, present ? { instead: present.id } : {});
        await announce(tx, at, active, all);
        return active;
      }),

    /** Gives up what was prepared. What issued already has retired when another was activated. @throws DomainError `not-found`, `conflict` */
    retire: (act: Act): Promise<StoredIssuer> =>
      commit(async (tx) => {
        const at = clock();
        const { found } = await lockOne(tx, act, at);
        if (found.status === 'retired') return found;
        if (found.status === 'active')
          throw new DomainError('conflict', `${act.id} issues: activate another, and this one retires`);
        await store.drop(tx, found, at);
        await record(tx, act, 'retire', at);
        await log(tx, at, [issuerEntry(act.account, act.id)]);
        return { ...found, status: 'retired', retiredAt: at };
      }),
  };
}

/** @throws DomainError `conflict` for one that was given up: its key is gone */
function requireUsable(issuer: StoredIssuer): StoredIssuer {
  if (issuer.sealedKey.length > 0) return issuer;
  throw new DomainError('conflict', `${issuer.id} was given up before it issued: prepare another`);
}
