import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// CI reads the counts from files; the environment of the tests is nobody's configuration.
const reporters =
  process.env['CI'] === 'true'
    ? ['default', ['json', { outputFile: process.env['CI_RESULTS'] ?? 'ci-results.json' }] as const]
    : ['default'];

// Begun first, so that no worker is left with one of them at the end.
const longest =
  /\/(program|aws-(life|trouble|attacks|import|kills|faults|shared)|bulk|kill-loop|restore|api-fuzz|rights|agent|callers|quota|schedules|streams|deployment|waiting-limits|dialect-failures|renewal-grace|conformance|passwords|offline|generated-clients|reaper|server-package|failover|command-kills|kills)\.test\.ts$/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const ordered = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => longest.test(moduleId);
    return [...ordered.filter(isLong), ...ordered.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    reporters: reporters as ['default'],
    sequence: { sequencer: LongestFirst },
    // Suites have databases and ports of their own, and spend much of their time waiting: they run side by side.
    maxWorkers: 3,
    // A worker keeps the program that it has loaded for its next suite: half of the time of a run went into loading and
    // compiling it again. Suites share no state by it, because modules keep none.
    isolate: false,
    teardownTimeout: 300_000,
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 300_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/databases/global-setup.ts'],
          // Generous: no test depends on how fast the machine is. What is waited for says what never came.
          testTimeout: 900_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
