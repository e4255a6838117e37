import { hash } from 'node:crypto';
import type { EnrollmentService } from '../../enrollments/service.js';
import type { StoredEnrollment } from '../../enrollments/store.js';
import { DomainError } from '../../errors.js';
import type { ExpectedThing } from '../../expected/store.js';
import { mostOfUpload } from '../../limits.js';
import type { FirstBoot } from '../asked.js';
import { keyOfCsr } from '../device-key.js';
import type { Admitted } from './check.js';

/** What finding an expected thing needs. */
export type ExpectationDeps = {
  expected: {
    find(account: string, name: string): Promise<ExpectedThing | undefined>;
    isCode(thing: ExpectedThing, code: string): boolean;
    noteWrongCode(id: string): Promise<void>;
  };
  enrollments: Pick<EnrollmentService, 'requireCovered'>;
  /** @throws DomainError `unknown-policy` */
  requirePolicies(account: string, names: string[]): Promise<void>;
};

/** What a device asks for. */
export type Asking = {
  enrollment: StoredEnrollment;
  asked: FirstBoot;
  /** The device named its code before, and waited since. */
  codeWasRight?: boolean;
};

/**
 * Returns the function that finds the expected thing which a device asks to become, where its enrollment admits no others. What is
 * expected wins over the enrollment. It is used up in the transaction that gives the identity.
 */
export function createExpectation({ expected, enrollments, requirePolicies }: ExpectationDeps) {
  const requireCode = async (thing: ExpectedThing, code: string | undefined): Promise<void> => {
    if (thing.codeHash === null) return;
    const { name, id, wrongCodes } = thing;
    if (wrongCodes >= mostOfUpload.wrongCodes)
      throw refuse(`too many wrong codes were named for ${name}: have it uploaded again with another code`);
    if (code === undefined) throw refuse(`${name} is expected with a one-time code: name it as code`);
    if (expected.isCode(thing, code)) return;
    await expected.noteWrongCode(id);
    throw new DomainError('invalid-client', `the code is not that of ${name}: mend it`);
  };

  return async ({ enrollment, asked, codeWasRight = false }: Asking): Promise<Admitted> => {
    if (!enrollment.expectedOnly) return { enrollment, asked };
    const { account } = enrollment;
    const { name, code } = asked;
    const thing = await expected.find(account, name);
    if (!thing) throw refuse(`no thing ${name} is expected: have it uploaded to /v1/things/expected`);
    if (thing.usedAt !== null)
      throw refuse(`the thing ${name} has got the identity that was expected: have it re-enrolled by an operator`);
    requireKey(thing, asked);
    if (!codeWasRight) await requireCode(thing, code);
    if (thing.policies.length > 0) await requirePolicies(account, thing.policies);
    const given = merge(enrollment, thing);
    enrollments.requireCovered({ ...given, sourceCidrs: [] }, asked, undefined);
    return { enrollment: given, asked, expected: { id: thing.id, revision: thing.revision } };
  };
}

/** What an enrollment gives to an expected thing. */
function merge(enrollment: StoredEnrollment, thing: ExpectedThing): StoredEnrollment {
  return {
    ...enrollment,
    thingType: thing.thingType ?? enrollment.thingType,
    attributes: { ...enrollment.attributes, ...thing.attributes },
    policies: thing.policies.length > 0 ? thing.policies : enrollment.policies,
    segment: thing.segment ?? enrollment.segment,
  };
}

/** The key of the request, or that of the manufacturer's certificate, which the device proved too. */
function requireKey({ keySha256, account, name }: ExpectedThing, { key, manufactured }: FirstBoot): void {
  if (keySha256 === null || manufactured?.keySha256 === keySha256) return;
  if (!('csr' in key)) throw refuse(`${name} is expected with its own key: send a csr for it`);
  if (hash('sha256', keyOfCsr(key.csr, { account, name }).spki) === keySha256) return;
  throw refuse(`${name} is expected with another key: use that, or have it uploaded again`);
}

const refuse = (why: string): DomainError => new DomainError('outside-enrollment', why);
