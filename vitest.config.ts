import { defineConfig } from 'vitest/config';

// CI reads the counts from files; the environment of the tests is nobody's configuration.
const reporters =
  process.env['CI'] === 'true'
    ? ['default', ['json', { outputFile: process.env['CI_RESULTS'] ?? 'ci-results.json' }] as const]
    : ['default'];

export default defineConfig({
  test: {
    reporters: reporters as ['default'],
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
