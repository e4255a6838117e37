import { createCertificateIssuer } from '../../../src/pki/certificate.js';
import { draftCrl, encodeCrlEntry, type CrlEntry, type CrlHeader } from '../../../src/pki/crl.js';
import { issueIssuing, issueRoot, type Issuer, type PkiUrls } from '../../../src/pki/issuer.js';
import { createSigner, generateKeys } from '../../../src/pki/signer.js';
import type { KeyType } from '../../../src/pki/public-key.js';

export const testUrls = { crl: 'http://127.0.0.1:8080/crl/test.crl', ocsp: 'http://127.0.0.1:8080/ocsp' };

/** A root and an issuing CA of one key type, with the function that issues under them. */
export async function createAuthority(account: string, keyType: KeyType, at: Date, urls: PkiUrls = testUrls) {
  const start = Math.floor(at.getTime() / 1000) * 1000 - 86_400_000;
  const years = (n: number) => ({
    notBefore: new Date(start),
    notAfter: new Date(start + n * 365 * 86_400_000),
  });
  const signer = async () => createSigner((await generateKeys(keyType)).privateKey);
  const root: Issuer = issueRoot(account, years(20), await signer());
  const issuing: Issuer = issueIssuing(account, root, testUrls, years(5), await signer());
  return { root, issuing, issue: createCertificateIssuer(issuing, urls) };
}

type CrlContents = Omit<CrlHeader, 'distributionPoint' | 'baseNumber'> & { entries: CrlEntry[] };

/** A complete list, signed. */
export function issueCrl(issuer: Issuer, { entries, ...header }: CrlContents): Buffer {
  const bytes = Buffer.concat(entries.map(encodeCrlEntry));
  const draft = draftCrl(issuer, header, bytes.length);
  draft.entries.set(bytes);
  return draft.finish(issuer.signer.sign(draft.tbs));
}
