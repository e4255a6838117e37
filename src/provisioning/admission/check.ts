import { randomInt, randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.js';
import type { StoredEnrollment } from '../../enrollments/store.js';
import { DomainError } from '../../errors.js';
import { mostChecks } from '../../limits.js';
import { OutboundRefusal, type GuardedFetch } from '../../outbound/fetch.js';
import { signatureHeaders } from '../../outbound/standard-webhooks.js';
import { encodePem } from '../../pki/pem.js';
import type { FirstBoot } from '../asked.js';
import type { Manufactured } from './manufactured.js';
import { readVerdict, wideningOf } from './answer.js';

type Deps = {
  /** Answers of 64 KiB at most. */
  fetch: GuardedFetch;
  checkSecretOf(enrollment: StoredEnrollment): string;
  clock: Clock;
};

/** An enrollment and what a device asks for under it, which an answer may have narrowed. */
export type Admitted = {
  enrollment: StoredEnrollment;
  asked: FirstBoot;
  /** The expected thing that the device becomes, as it was read. */
  expected?: { id: string; revision: number };
};

/** The check of an enrollment that has one. */
type Check = { url: string; timeoutMs: number; secret: string };

const awaySeconds = 10;

/**
 * Returns the function that asks the check of an enrollment about a device. Nothing is locked and no transaction is open
 * meanwhile. Whatever is no clear yes or no admits nobody.
 */
export function createCheck({ fetch, checkSecretOf, clock }: Deps) {
  const inTurn = createPlaces();

  const checkOf = (enrollment: StoredEnrollment): Check | undefined => {
    const { checkUrl: url, checkTimeoutMs } = enrollment;
    return url === null ? undefined : { url, timeoutMs: checkTimeoutMs!, secret: checkSecretOf(enrollment) };
  };

  const post = async ({ url, timeoutMs, secret }: Check, body: string): Promise<{ status: number; text: string }> => {
    const signed = signatureHeaders(secret, `check_${randomUUID()}`, clock(), body);
    const headers = { 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'Thingward' };
    const asking = fetch(url, {
      method: 'POST',
      headers: { ...headers, ...signed },
      body,
      signal: AbortSignal.timeout(timeoutMs),
    }).then(async (answer) => ({ status: answer.status, text: await answer.text() }));
    return within(asking, timeoutMs);
  };

  /** @throws DomainError `check-refused`, `check-away` */
  return async (admitted: Admitted, sourceIp: string | undefined): Promise<Admitted> => {
    const { enrollment, asked } = admitted;
    const check = checkOf(enrollment);
    if (!check) return admitted;
    const body = JSON.stringify(questionOf(enrollment, asked, sourceIp));
    const { status, text } = await inTurn(enrollment.account, () =>
      post(check, body).catch((error: unknown) => {
        throw away(whyNot(error, check.timeoutMs));
      }),
    );
    const verdict = status === 200 ? readVerdict(text) : undefined;
    if (!verdict) throw away(status === 200 ? 'did not answer in the documented shape' : `answered ${status}`);
    if (!verdict.allow) throw refused(verdict.reason);
    const widening = wideningOf(verdict, enrollment);
    if (widening !== undefined) throw away(`answered with ${widening}, which the enrollment does not give`);
    const { attributes = asked.attributes, policies = enrollment.policies } = verdict;
    return {
      ...admitted,
      enrollment: { ...enrollment, policies: [...new Set(policies)] },
      asked: { ...asked, attributes },
    };
  };
}

/** What the check hears about a device: docs/admission.md lists it. */
function questionOf(
  { id, account, thingType, attributes, policies, segment }: StoredEnrollment,
  { name, key, attributes: own, manufactured }: FirstBoot,
  sourceIp: string | undefined,
) {
  return {
    account,
    enrollment: id,
    thingName: name,
    ...(thingType === null ? {} : { thingType }),
    attributes: { ...own, ...attributes },
    policies,
    ...(segment === null ? {} : { segment }),
    ...('csr' in key ? { csr: encodePem('CERTIFICATE REQUEST', key.csr) } : { keyType: key.make }),
    ...(sourceIp === undefined ? {} : { source: sourceIp }),
    claims: manufactured ? claimsOf(manufactured) : {},
  };
}

const claimsOf = ({ subject, serialNumber, fingerprint, keySha256 }: Manufactured) => ({
  manufacturer: { subject, serialNumber, fingerprint, keySha256 },
});

/** Places for questions that are under way: an account that has none left is told at once. */
function createPlaces() {
  const taken = new Map<string, number>();
  let inAll = 0;
  return async <Result>(account: string, work: () => Promise<Result>): Promise<Result> => {
    const mine = taken.get(account) ?? 0;
    if (mine >= mostChecks.ofAccount || inAll >= mostChecks.inAll)
      throw away('is asked about many devices at once', randomInt(1, 6));
    taken.set(account, mine + 1);
    inAll++;
    try {
      return await work();
    } finally {
      inAll--;
      const left = taken.get(account)! - 1;
      if (left > 0) taken.set(account, left);
      else taken.delete(account);
    }
  };
}

/** Rejects in time also where what is under way cannot be ended, such as a question for a name. */
async function within<Result>(work: Promise<Result>, ms: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException('late', 'TimeoutError')), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** No addresses and no errors of the network: devices read it. */
function whyNot(error: unknown, ms: number): string {
  if (error instanceof OutboundRefusal)
    return 'may not be asked at its URL, or answered at too great length: an operator has to mend it';
  return error instanceof DOMException ? `gave no answer in ${ms} ms` : 'does not answer';
}

function away(why: string, retryAfter = awaySeconds): DomainError {
  return new DomainError(
    'check-away',
    `the check of the enrollment ${why}; nothing was issued, so send the same request again in ${retryAfter} s`,
    { retryAfter },
  );
}

function refused(reason: string): DomainError {
  return new DomainError(
    'check-refused',
    `the check of the enrollment refused this device: ${reason}. Ask whoever runs the check, then send the request again`,
    { reason },
  );
}
