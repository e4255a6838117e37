import { X509Certificate } from 'node:crypto';
import type { Clock } from '../clock.js';
import { ConfigError } from '../config.js';
import type { PublicJwk } from '../compact/signed-list.js';
import { openGapList, openStatusList } from '../edge/compact.js';
import { readPem } from '../pki/pem.js';
import { readCrl, readOcsp, type ReadCrl } from '../pki/read.js';
import { encodeOcspRequest, neverIssued, readChain, type Authority } from './authority.js';
import { checkPrevious, isExternal, readSnapshot, type PreviousFile } from './previous.js';

/** What {@link verifyRevocations} checks, and against what. */
type VerifyOptions = {
  url: string;
  account: string;
  /** An API key with `revocations:read`: then the feed is compared too. */
  key: string | undefined;
  clock: Clock;
  /** Lists and signed snapshots that were saved earlier: what they name must still be revoked. */
  previous?: PreviousFile[];
  /** Told of every check as it is made. */
  report(holds: boolean, what: string): void;
};

type Snapshot = { cursor: string; certificates: { serialNumber: string; reason: string; thingName: string }[] };

const sampled = 50;
// More in one request are refused.
const mostAsked = 20;

/**
 * Looks at everything that a server publishes about revocation, as somebody outside: signatures, freshness, whether
 * lists, OCSP and feed agree, and whether an entry is missing. Resolves with the number of findings.
 * @throws Error when the server cannot be asked at all
 */
export async function verifyRevocation({
  url,
  account,
  key,
  clock,
  previous = [],
  report,
}: VerifyOptions): Promise<number> {
  let findings = 0;
  const check = (holds: boolean, what: string): void => {
    if (!holds) findings++;
    report(holds, what);
  };

  const get = async (path: string, headers: Record<string, string> = {}): Promise<Buffer> => {
    const response = await fetch(`${url}${path}`, { headers }).catch((error: Error) => {
      throw new ConfigError(
        `${url} cannot be reached: ${(error.cause as Error | undefined)?.message ?? error.message}`,
      );
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
    return Buffer.from(await response.arrayBuffer());
  };

  /** Makes checks that may fail to read what they look at. */
  const within = async (what: string, checks: () => Promise<void>): Promise<void> => {
    await checks().catch((error: unknown) => check(false, `${what}: ${(error as Error).message}`));
  };

  const snapshot = async (): Promise<Snapshot | undefined> =>
    key === undefined
      ? undefined
      : (JSON.parse(
          (await get('/v1/revocations/snapshot', { authorization: `Bearer ${key}` })).toString(),
        ) as Snapshot);

  const checkList = (name: string, { id, key: caKey, subject }: Authority, crl: ReadCrl): void => {
    check(crl.isSignedBy(caKey), `${name}: signed by the CA ${id}`);
    check(crl.issuer.equals(subject), `${name}: its issuer is the subject of the CA`);
    check(crl.thisUpdate <= clock(), `${name}: thisUpdate ${crl.thisUpdate.toISOString()} is not in the future`);
    check(crl.nextUpdate > clock(), `${name}: nextUpdate ${crl.nextUpdate.toISOString()} is to come`);
    check(
      !crl.lastRevocation || crl.lastRevocation <= crl.thisUpdate,
      `${name}: no revocation is dated after thisUpdate, where readers ignore it`,
    );
    check(!crl.isDelta, `${name}: a complete list, no delta`);
  };

  const askOcsp = async (authority: Authority, serialNumbers: string[]) => {
    const response = await fetch(`${url}/ocsp`, {
      method: 'POST',
      headers: { 'content-type': 'application/ocsp-request' },
      body: new Uint8Array(encodeOcspRequest(authority, serialNumbers)),
    });
    return readOcsp(Buffer.from(await response.arrayBuffer()));
  };

  const checkOcsp = async (authority: Authority, serials: string[], expected: string): Promise<void> => {
    const name = `OCSP of ${authority.id}`;
    const answer = await askOcsp(authority, serials);
    const responder = new X509Certificate(answer.responder);
    check(
      responder.verify(authority.key) && answer.isSignedBy(responder.publicKey),
      `${name}: signed by a responder of the CA`,
    );
    const wrong = answer.statuses.filter(({ status }) => status !== expected);
    check(
      wrong.length === 0 && answer.statuses.length === serials.length,
      `${name}: ${serials.length} ${expected}${wrong.map(({ serialNumber, status }) => `, but ${serialNumber} ${status}`).join('')}`,
    );
    check(
      answer.statuses.every(({ thisUpdate, nextUpdate }) => thisUpdate <= clock() && nextUpdate > clock()),
      `${name}: fresh`,
    );
  };

  /** Whether the server has the key of an authority: no other can be asked by OCSP, or has compact lists. */
  const hasKey = async ({ id }: Authority): Promise<boolean> =>
    (await fetch(`${url}/status/${id}.gaps`, { method: 'HEAD' })).status !== 404;

  const checkAuthority = async (
    authority: Authority,
    issuer: Authority,
    bundled: ReadCrl | undefined,
  ): Promise<ReadCrl> => {
    const { id } = authority;
    const crl = readCrl(await get(`/crl/${id}.crl`));
    checkList(`list of ${id}`, authority, crl);
    check(
      bundled !== undefined && bundled.number <= crl.number,
      `list of ${id}: in the bundle, with number ${bundled?.number}`,
    );
    const pem = (await get(`/crl/${id}.pem`)).toString();
    const same = readCrl(readPem(pem)[0]!.der);
    check(same.number >= crl.number, `list of ${id}: the same as PEM`);
    await within(`OCSP of ${id}`, async () => {
      if (await hasKey(issuer)) await checkOcsp(issuer, [authority.serialNumber], 'good');
      if (!(await hasKey(authority))) return;
      await checkOcsp(authority, [neverIssued()], 'unknown');
      const listed = [...crl.serialNumbers].slice(-sampled);
      for (let at = 0; at < listed.length; at += mostAsked)
        await checkOcsp(authority, listed.slice(at, at + mostAsked), 'revoked');
    });
    return crl;
  };

  const checkCompact = async ({ id }: Authority, keys: PublicJwk[], listed: number): Promise<void> => {
    const now = clock();
    const gaps = openGapList(await get(`/status/${id}.gaps`), id, { keys, now });
    check(true, `gap list of ${id}: signed, fresh`);
    const jwt = (await get(`/status/${id}`)).toString();
    // The server may be asked under another name than its own; the issuer must be this one.
    const { sub } = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as { sub: string };
    check(sub.endsWith(`/status/${id}`), `status list of ${id}: its sub is ${sub}`);
    const status = openStatusList(jwt, sub, { keys, now });
    check(true, `status list of ${id}: signed, fresh`);
    let [revoked, differences] = [0, 0];
    for (let index = 0; index < Math.min(gaps.size, 1_000_000); index++) {
      if (status.isRevoked(index)) revoked++;
      if (status.isRevoked(index) !== gaps.isRevoked(index)) differences++;
    }
    check(differences === 0, `gap list and status list of ${id} agree`);
    check(
      gaps.size > 1_000_000 || revoked >= listed,
      `compact lists of ${id}: ${revoked} revoked, ${listed} in the CRL`,
    );
  };

  /** What is revoked now of certificates that others issued, which stand in no list: only a signed snapshot tells them apart. */
  const externalNow = async (apiKey: string): Promise<Set<string>> => {
    const headers = { authorization: `Bearer ${apiKey}`, accept: 'application/jose' };
    const { certificates } = readSnapshot(await get('/v1/revocations/snapshot', headers));
    return new Set(certificates.filter(isExternal(account)).map(({ serialNumber }) => serialNumber));
  };

  const before = await snapshot();
  const prefix = account === 'default' ? '' : `/${account}`;
  const chain = readChain((await get(`/ca${prefix}/chain.pem`)).toString());
  const bundle = readPem((await get(`/crl${prefix}/bundle.pem`)).toString()).map((block) => readCrl(block.der));
  const { keys } = JSON.parse((await get('/.well-known/jwks.json')).toString()) as { keys: PublicJwk[] };
  const listed = new Set<string>();
  for (const authority of chain) {
    const issuer = chain.find(({ certificate }) => authority.certificate.checkIssued(certificate)) ?? authority;
    check(authority.certificate.verify(issuer.key), `CA ${authority.id}: signed by ${issuer.id}`);
    await within(`CA ${authority.id}`, async () => {
      const crl = await checkAuthority(
        authority,
        issuer,
        bundle.find(({ issuer: name }) => name.equals(authority.subject)),
      );
      crl.serialNumbers.forEach((serialNumber) => listed.add(serialNumber));
      if (!(await hasKey(authority))) return;
      await within(`compact lists of ${authority.id}`, () => checkCompact(authority, keys, crl.serialNumbers.size));
    });
  }
  let external: Set<string> | undefined;
  if (key !== undefined)
    await within('signed snapshot of the feed', async () => void (external = await externalNow(key)));
  for (const file of previous)
    await within(file.name, () =>
      checkPrevious(
        file,
        {
          authorities: chain,
          listed,
          at: clock(),
          account,
          external,
          ask: (...of) => askOcsp(...of).then((answer) => answer.statuses),
        },
        check,
      ),
    );
  if (!before) return findings;
  // What was revoked before the lists were fetched, and still is, must be in them.
  const still = new Set((await snapshot())!.certificates.map(({ serialNumber }) => serialNumber));
  const wanted = before.certificates.filter(
    ({ serialNumber, reason }) => reason !== 'superseded' && still.has(serialNumber) && !external?.has(serialNumber),
  );
  const missing = wanted.filter(({ serialNumber }) => !listed.has(serialNumber));
  check(
    missing.length === 0,
    `feed: ${wanted.length} revoked certificates, ${missing.length} of them in no list${missing
      .slice(0, 5)
      .map(({ serialNumber }) => ` ${serialNumber}`)
      .join('')}`,
  );
  return findings;
}
