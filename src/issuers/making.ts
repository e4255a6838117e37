import type { KeyObject } from 'node:crypto';
import { addSeconds, wholeSeconds, type Clock } from '../clock.js';
import type { Transaction } from '../db/client.js';
import { issueIssuing, issueRoot, type Issuer, type PkiUrls, type Validity } from '../pki/issuer.js';
import type { KeyType } from '../pki/public-key.js';
import { createSigner, generateKeys } from '../pki/signer.js';
import { sealedAs, type Sealer } from '../sealing.js';
import type { IssuerStore } from './store.js';
import { firstSettings, firstState, type StoredIssuer } from './stored.js';

type Deps = {
  store: Pick<IssuerStore, 'insert'>;
  sealer: Pick<Sealer, 'seal'>;
  clock: Clock;
  keyType: KeyType;
  urlsOf(issuerId: string): PkiUrls;
};

const day = 86_400;
const year = 365 * day;
const rootYears = 20;
const issuingYears = 5;
// A CA's notBefore lies further back than any device's, so that clamping never moves a device's.
const backdate = -day;

export type Making = ReturnType<typeof createMaking>;

/** Makes authorities. Their keys leave sealed. */
export function createMaking({ store, sealer, clock, keyType, urlsOf }: Deps) {
  const validity = (at: Date, years: number): Validity => ({
    notBefore: addSeconds(at, backdate),
    notAfter: addSeconds(at, years * year),
  });

  const seal = (id: string, key: KeyObject): Buffer =>
    sealer.seal(key.export({ type: 'pkcs8', format: 'der' }), sealedAs.issuer(id));

  const makeIssuing = async (account: string, root: Issuer): Promise<StoredIssuer> => {
    const { privateKey } = await generateKeys(keyType);
    const at = wholeSeconds(clock());
    const made = issueIssuing(account, root, urlsOf(root.id), validity(at, issuingYears), createSigner(privateKey));
    return storedOf(account, made, root.id, seal(made.id, privateKey));
  };

  return {
    /** A new key of the kind that authorities have, with the function that seals it for an id. */
    async makeKey(): Promise<{ privateKey: KeyObject; sealFor(id: string): Buffer }> {
      const { privateKey } = await generateKeys(keyType);
      return { privateKey, sealFor: (id) => seal(id, privateKey) };
    },

    /** An issuing CA under a root, not written yet; its dates lie within the root's. */
    makeIssuing,

    /** Makes a root and an issuing CA for a new account and returns what writes them. */
    async prepare(account: string): Promise<{ issuers: { id: string }[]; insert(tx: Transaction): Promise<void> }> {
      const at = wholeSeconds(clock());
      const { privateKey } = await generateKeys(keyType);
      const root = issueRoot(account, validity(at, rootYears), createSigner(privateKey));
      const issuing = await makeIssuing(account, root);
      const insert = async (tx: Transaction) => {
        await store.insert(tx, { ...storedOf(account, root, null, seal(root.id, privateKey)), kind: 'root' }, at);
        await store.insert(tx, issuing, at);
      };
      return { issuers: [root, issuing], insert };
    },
  };
}

function storedOf(account: string, issuer: Issuer, parentId: string | null, sealedKey: Buffer): StoredIssuer {
  const { id, certificateDer, notBefore, notAfter } = issuer;
  const own = { id, account, certificateDer, notBefore, notAfter, parentId, sealedKey };
  return { kind: 'issuing', ...firstSettings, ...firstState, ...own };
}
