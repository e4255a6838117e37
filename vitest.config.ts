import { defineConfig } from 'vitest/config';

// CI reads the counts from a file; the environment of the tests is nobody's configuration.
const reporters =
  process.env['CI'] === 'true' ? ['default', ['json', { outputFile: 'ci-results.json' }] as const] : ['default'];

export default defineConfig({
  test: {
    reporters: reporters as ['default'],
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
