import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseCsr } from '../../support/pki/csr.js';
import { describeWith } from '../../support/programs.js';

const blocks = [...readFileSync('docs/devices.md', 'utf8').matchAll(/<!-- test: requests -->\n\n```sh\n([^]*?)```/g)];

describeWith(['openssl', 'sh'], 'docs/devices.md', () => {
  it('has commands that make requests which are accepted, as they stand', () => {
    let requests = 0;
    for (const [, commands] of blocks) {
      const folder = mkdtempSync(join(tmpdir(), 'requests-'));
      try {
        execFileSync('sh', ['-euc', commands!], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
        for (const file of readdirSync(folder).filter((name) => /\.csr(\.b64)?$/.test(name))) {
          expect(
            parseCsr(readFileSync(join(folder, file), 'utf8'), 'urn:thingward:default:pump-17').der.length,
          ).toBeGreaterThan(0);
          requests++;
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
    expect([blocks.length, requests]).toEqual([2, 5]);
  });
});
