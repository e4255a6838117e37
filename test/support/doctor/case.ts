import type { ProgramName } from '../../../src/cli/doctor/finding.js';

/** Settings that break one rule, in the line with the arrow, and the same mended. */
export type DoctorCase = { program: ProgramName; rule: string; bad: string; good: string };

/** A case of settings. */
export const caseOf = (program: ProgramName, rule: string, bad: string, good: string): DoctorCase => ({
  program,
  rule,
  bad: bad.trim(),
  good: good.trim(),
});
