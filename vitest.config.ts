import { defineConfig } from 'vitest/config';

// CI reads the counts from a file; the environment of the tests is nobody's configuration.
const reporters =
  process.env['CI'] === 'true' ? ['default', ['json', { outputFile: 'ci-results.json' }] as const] : ['default'];

export default defineConfig({
  test: {
    reporters: reporters as ['default'],
    // Suites have databases and ports of their own, and spend much of their time waiting: they run side by side.
    maxWorkers: 3,
    teardownTimeout: 300_000,
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 300_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          // Generous: no test depends on how fast the machine is. What is waited for says what never came.
          testTimeout: 900_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
