import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const require = createRequire(import.meta.url);
const config = resolve('.dependency-cruiser.cjs');
const rules = (require(config) as { forbidden: { name: string }[] }).forbidden.map(({ name }) => name);

/** A tree in which every rule is broken once. */
const offenders: Record<string, string> = {
  'src/pki/der.ts': "import '../clock.js';",
  'src/policy/decide.ts': "import 'node:fs';",
  'src/pipeline/pipeline.ts': "import '../clock.js';",
  'src/journal/journal.ts': "import '../clock.js';",
  'src/things/service.ts':
    "import 'fastify'; import '@prisma/client'; import '../tokens/service.js'; import '@aws-sdk/client-iot';",
  'src/authorize/judge.ts': "import '../clock.js';",
  'src/things/routes.ts': "import '../pki/der.js'; import type {} from './store.js';",
  'src/things/store.ts': 'export {};',
  'src/tokens/service.ts': "import '../db/client.js'; import type {} from '../http/callers.js';",
  'src/http/callers.ts': 'export {};',
  'src/agent/agent.ts': "import '../config.js';",
  'src/nats/serve.ts': "import '../config.js';",
  'src/reaper/reaper.ts': "import '../config.js';",
  'src/edge/client.ts': "import '../config.js';",
  'src/edge/mqtt-packets/frames.ts': "import '../client.js';",
  'src/edge/coap-messages/options.ts': "import '../client.js';",
  'src/edge/mqtt/upward.ts': "import '../client.js';",
  'src/things/feature.ts': 'export {};',
  'src/serve.ts': "import './things/feature.js';",
  'src/db/client.ts': 'export {};',
  'src/clock.ts': 'export {};',
  'src/config.ts': "import './nowhere.js';",
  'src/log/entries.ts': "import '../db/client.js';",
  'src/log/reader.ts': "import './leases.js';",
  'src/log/leases.ts': "import './reader.js';",
  'src/audit/seal.ts': "import './utils.js';",
  'src/audit/utils.ts': 'export {};',
  'src/audit/page.ts': "import '../../console/src/page.js';",
  'console/src/page.ts': "import '../../src/clock.js';",
  ...standIn('fastify'),
  ...standIn('@prisma/client'),
  ...standIn('@aws-sdk/client-iot'),
};

/** A package that is there and does nothing: only its name matters to a rule. */
function standIn(name: string): Record<string, string> {
  return {
    [`node_modules/${name}/package.json`]: JSON.stringify({ name, main: 'index.js' }),
    [`node_modules/${name}/index.js`]: '',
  };
}

type Report = { summary: { violations: { rule: { name: string } }[]; totalCruised: number } };

function cruise(folder: string): Report {
  const program = resolve('node_modules/.bin/depcruise');
  try {
    return JSON.parse(
      execFileSync(program, ['src', 'console/src', '--config', config, '--output-type', 'json'], {
        cwd: folder,
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    ) as Report;
  } catch (error) {
    return JSON.parse((error as { stdout: string }).stdout) as Report;
  }
}

describe('the import rules', () => {
  it('each is seen to fail', () => {
    const folder = mkdtempSync(join(tmpdir(), 'thingward-rules-'));
    try {
      writeFileSync(
        join(folder, 'tsconfig.json'),
        '{ "compilerOptions": { "module": "nodenext", "moduleResolution": "nodenext" } }',
      );
      for (const [path, text] of Object.entries(offenders)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), `${text}\n`);
      }
      const broken = new Set(cruise(folder).summary.violations.map(({ rule }) => rule.name));
      expect([...broken].sort()).toEqual([...rules].sort());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('hold in src/, of which every file was looked at', () => {
    const { summary } = cruise(process.cwd());
    expect(summary.violations).toEqual([]);
    expect(summary.totalCruised).toBeGreaterThan(80);
  });
});
