import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// CI reads the counts from files; the environment of the tests is nobody's configuration.
const reporters =
  process.env['CI'] === 'true'
    ? ['default', ['json', { outputFile: process.env['CI_RESULTS'] ?? 'ci-results.json' }] as const]
    : ['default'];

// Begun first and in this order, so that no worker is left with one of them at the end.
const longest = [
  'http/generated-clients',
  'mqtt/streams',
  'operating/program',
  'revocation/bulk',
  'reaper/reaper',
  'operating/kill-loop',
  'issuers/offline',
  'people/passwords',
  'aws/aws-attacks',
  'decider/decider',
  'aws/aws-kills',
  'operating/command-line',
  'operating/restore',
  'provisioning/agent-package',
  'operating/server-package',
  'acme/kill-loop',
  'aws/aws-life',
  'aws/aws-faults',
  'provisioning/waiting-limits',
  'aws/aws-trouble',
  'groups/oracle',
  'operating/postgresql-paper',
  'deployment/edge-commands',
  'people/command-line',
  'cli/commands',
  'brokers/hivemq',
  'gateway/agent-queue',
  'issuers/reseal',
  'operating/failover',
  'mqtt/conformance',
  'revocation/linearizability',
  'lists/lists-in-time',
  'aws/aws-import',
  'reaper/kills',
  'lists/clock-matrix',
  'gateway/commands',
  'reaper/mosquitto',
  'console/console',
  'http/api-fuzz',
  'access/rights',
];

/** The place of a file among the longest; all others come after them. */
function place({ moduleId }: TestSpecification): number {
  const at = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
  return at < 0 ? longest.length : at;
}

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const ordered = await super.sort(files);
    return ordered.sort((one, other) => place(one) - place(other));
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
