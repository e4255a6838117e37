import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { figures } from '../../../src/metrics/names.js';
import { createCounters } from '../../../src/figures/counters.js';

describe('the figures of accounts', () => {
  it('docs/monitoring.md lists all of them, with unit, parts and meaning', () => {
    const [, section = ''] = readFileSync('docs/monitoring.md', 'utf8').split('## Figures of an account');
    const rows = [...section.matchAll(/^\| `([a-zA-Z.]+)` +\| (\w+) +\| (\w+) +\| (\w*) +\| (.+?) +\|$/gm)];
    const described = rows.map(([, name, kind, unit, by, about]) => [name, kind, unit, by, about]);
    expect(described).toEqual(
      Object.entries(figures).map(([name, { kind, unit, about, ...rest }]) => [
        name,
        kind,
        unit,
        'by' in rest ? rest.by : '',
        about,
      ]),
    );
  });
});

describe('counting', () => {
  it('keeps fifty names of parts, the whole exact, and what is put back', () => {
    const { count, take, giveBack } = createCounters(() => new Date(0));
    for (let n = 0; n < 1000; n++) count('acme', 'decisions.deny', `edge-${n}`);
    count('acme', 'decisions.deny');
    const { counted } = take();
    expect(take().counted).toEqual([]);
    giveBack(counted);
    count('acme', 'decisions.deny', 'edge-1', 2);
    const rows = take().counted;
    expect(rows.length).toBeLessThanOrEqual(52);
    expect(rows.find(({ label }) => label === '')?.value).toBe(1003);
    expect(rows.find(({ label }) => label === 'edge-1')?.value).toBe(3);
    expect(rows.filter(({ label }) => label !== '').reduce((sum, { value }) => sum + value, 0)).toBe(1002);
  });

  it('has room for so many accounts, and cuts long names', () => {
    const { count, take } = createCounters(() => new Date(0));
    for (let n = 0; n < 30_000; n++) count(`account-${n}`, 'credentials.failed');
    expect(take().counted).toHaveLength(20_000);
    count('acme', 'decisions.deny', 'x'.repeat(1000));
    expect(Math.max(...take().counted.map(({ label }) => label.length))).toBe(128);
  });
});
