import type { StoredEnrollment } from '../../enrollments/store.js';
import type { Admitted } from './check.js';
import { createExpectation, type Asking, type ExpectationDeps } from './expectation.js';

type Deps = ExpectationDeps & {
  check(admitted: Admitted, sourceIp: string | undefined): Promise<Admitted>;
};

/** Judges what a device asks for by more than the token of its enrollment, and returns what it may have. */
export type Admission = {
  /** By the list of what is expected. @throws DomainError `outside-enrollment`, `invalid-client`, `bad-csr`, `unknown-policy` */
  expect(asking: Asking): Promise<Admitted>;
  /** By the check of its enrollment too. @throws DomainError `check-refused`, `check-away`, and those of `expect` */
  admit(asking: Asking, sourceIp: string | undefined): Promise<Admitted>;
  /** The check alone, of what was expected. @throws DomainError `check-refused`, `check-away` */
  check(admitted: Admitted, sourceIp: string | undefined): Promise<Admitted>;
};

/** How devices are admitted. */
export function createAdmission({ check, ...deps }: Deps): Admission {
  const expect = createExpectation(deps);
  return {
    expect,
    check,
    admit: async (asking, sourceIp) => check(await expect(asking), sourceIp),
  };
}

/** Whether more than the token of an enrollment decides about a device. */
export const isGuarded = ({ checkUrl, expectedOnly }: StoredEnrollment): boolean => checkUrl !== null || expectedOnly;
