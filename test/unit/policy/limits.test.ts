import { describe, expect, it } from 'vitest';
import { compilePolicies } from '../../../src/policy/compile.js';
import { decide } from '../../../src/policy/decide.js';
import { exportToAws } from '../../../src/policy/aws/export.js';
import { weightOf } from '../../../src/policy/weight.js';
import { policyLimits, quote } from '../../../src/policy/limits.js';
import { lintPolicy } from '../../../src/policy/lint.js';
import type { PolicyDocument, Statement } from '../../../src/policy/document.js';
import { parsePolicy, readPolicy } from '../../../src/policy/policy.js';
import { days } from '../../../src/policy/document.js';
import { createPrincipal } from '../../../src/policy/variables.js';
import { zoneNames } from '../../../src/policy/time/zone.js';

const allow = (id: string, resources: string[], more: object = {}) => ({
  id,
  effect: 'allow',
  actions: ['publish'],
  resources,
  ...more,
});
const document = (...statements: object[]) => ({ name: 'p', statements });
const many = <Item>(count: number, of: (index: number) => Item) =>
  Array.from({ length: count }, (_, index) => of(index));
const faultsOf = (input: unknown) => readPolicy(input).faults.map(({ message }) => message);
const size = (value: unknown) => JSON.stringify(value).length;

describe('the limits of a document', () => {
  const windows = (count: number, zones: number) =>
    many(Math.ceil(count / 64), (index) =>
      allow(`s${index}`, ['topic:a'], {
        condition: {
          timeWindows: many(Math.min(64, count - index * 64), (n) => ({
            from: `${String(n % 24).padStart(2, '0')}:00`,
            to: `${String(n % 24).padStart(2, '0')}:30`,
            days: [...days],
            timeZone: zoneNames()[(index * 64 + n) % zones],
          })),
        },
      }),
    );

  it('are those of windows and zones of all statements together', () => {
    expect(faultsOf(document(...windows(256, 32)))).toEqual([]);
    expect(faultsOf(document(...windows(257, 32)))).toEqual([
      expect.stringContaining('257 time windows, more than 256'),
    ]);
    expect(faultsOf(document(...windows(64, 33)))).toEqual([expect.stringContaining('33 time zones, more than 32')]);
  });

  it('are those of parts, which count what deciding costs', () => {
    const deep = (count: number) =>
      document(...many(count, (n) => allow(`s${n}`, [`topic:${n}/${'x/'.repeat(120)}y`])));
    expect(weightOf(parsePolicy(deep(1)))).toBe(2 + 122 + 3);
    expect(faultsOf(deep(150))).toEqual([]);
    expect(faultsOf(deep(160))).toEqual([expect.stringMatching(/^has \d+ parts .* more than 20000: split it/)]);
  });

  it('refuse what is written twice in a statement', () => {
    expect(faultsOf(document(allow('s', ['topic:a', 'topic:b', 'topic:a'])))).toEqual([
      'resource topic:a is written twice',
    ]);
    expect(faultsOf(document({ ...allow('s', ['topic:a']), actions: ['publish', 'publish'] }))).toEqual([
      'action publish is written twice',
    ]);
  });

  it('lint says no more of a megabyte than somebody reads', () => {
    const megabytes: unknown[] = [
      document(...many(1000, (n) => allow(`s${n}`, [`topic:+/${'y'.repeat(900)}${n}`, `topic:+/${'z'.repeat(90)}`]))),
      document(
        allow(
          's',
          many(1000, (n) => `topic:a#${'x'.repeat(1000)}${n}`),
        ),
      ),
      document(
        ...many(75, (n) => ({
          ...allow(
            `s${n}`,
            many(1000, (m) => `topic:${m}`),
          ),
          actions: many(100, (m) => `a${m}`),
        })),
      ),
      document(...many(1000, (n) => ({ [`m${n}`.repeat(200)]: 1 }))),
      document({ ...allow('s', ['topic:a']), resources: many(100_000, () => 0) }),
      document(...many(1000, () => allow('same', [`topic:\${${'x'.repeat(900)}}`]))),
      { name: 'x'.repeat(1_000_000), statements: [{}] },
      { name: 'p', statements: many(100_000, () => 0) },
      document({
        ...allow('s', ['topic:a']),
        condition: { attributes: Object.fromEntries(many(900, (n) => [`!${n}`.repeat(100), 0])) },
      }),
    ];
    for (const input of megabytes) {
      const findings = lintPolicy(input);
      expect(findings.length).toBeGreaterThan(0);
      expect(findings.length).toBeLessThanOrEqual(policyLimits.findings + 1);
      expect(size(findings)).toBeLessThan(60_000);
      try {
        parsePolicy(input);
      } catch (error) {
        expect((error as Error).message.length).toBeLessThan(6000);
        expect(size((error as { extras: object }).extras)).toBeLessThan(60_000);
      }
    }
  });

  it('quotes are cut at a hundred characters, never inside a pair', () => {
    expect(quote('x'.repeat(100))).toHaveLength(100);
    expect(quote(`${'x'.repeat(99)}😀y`)).toBe(`${'x'.repeat(99)}…`);
  });
});

/** Reached objects, each once: how much a compiled policy comes to. */
function countObjects(root: unknown): number {
  const seen = new Set<object>();
  const left: unknown[] = [root];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    if (value instanceof Map) for (const [key, item] of value) left.push(key, item);
    else if (value instanceof Set) left.push(...value);
    else left.push(...(Object.values(value) as unknown[]));
  }
  return seen.size;
}

describe('what was saved before the limits', () => {
  const stored = (statements: Statement[]): PolicyDocument => ({ name: 'old', statements });
  const statement = (id: string, actions: string[], resources: string[], condition?: object) =>
    ({ id, effect: 'deny', actions, resources, ...(condition ? { condition } : {}) }) as Statement;
  const compile = (statements: Statement[]) =>
    compilePolicies([{ name: 'old', version: 1, document: stored(statements) }]);
  const principal = createPrincipal({ account: 'acme', thing: { name: 'pump', attributes: {} } });

  it('compiles to no more than it says, however many actions meet however many resources', () => {
    const of = (count: number) =>
      countObjects(
        compile([
          statement(
            's',
            many(count, (n) => `a${n}`),
            many(count, (n) => `endpoint:e${n}`),
          ),
        ]),
      );
    expect(of(1000) / of(500)).toBeLessThan(2.5);
    expect(of(1000)).toBeLessThan(10_000);
  });

  it('compiles variables in steps of their number', () => {
    const of = (count: number) =>
      countObjects(
        compile([
          statement(
            's',
            ['publish'],
            many(count, (n) => `topic:a/\${thing.attributes.v${n}}/b`),
          ),
        ]),
      );
    expect(of(2000) / of(1000)).toBeLessThan(2.5);
  });

  it('shares the windows of its statements, and looks no further than an answer lasts', () => {
    const timeWindows = many(64, (n) => ({
      from: `${String(n % 24).padStart(2, '0')}:00`,
      to: `${String(n % 24).padStart(2, '0')}:01`,
      days: many(20, (m) => days[m % 7]!),
      timeZone: zoneNames()[n]!,
    }));
    const policies = compile(many(500, (n) => statement(`s${n}`, ['open'], ['endpoint:gate'], { timeWindows })));
    expect(countObjects(policies)).toBeLessThan(100_000);
    const at = Date.parse('2026-11-28T12:30:00Z');
    const query = { action: 'open', resource: 'endpoint:gate', context: {}, at, horizon: at + 5000 };
    expect(decide(policies, principal, query)).toMatchObject({ reason: 'no-matching-statement', changesAt: Infinity });
  });

  it('exports to AWS what AWS can hold, though every level of a deny doubles the filters', () => {
    const deep = stored([statement('s', ['subscribe'], [`topic:${many(128, () => 'a').join('/')}`])]);
    const { document: exported, warnings } = exportToAws(deep, { requireAttached: false } as never);
    expect(exported).toBeDefined();
    expect(size(exported)).toBeLessThan(2048);
    expect(warnings).toHaveLength(1);
  });

  it('exports thousands of resources with a hundred warnings', () => {
    const { warnings, refusals } = exportToAws(
      stored([
        {
          ...statement(
            's',
            ['publish'],
            many(5000, (n) => `topic:${n}/x`),
          ),
          effect: 'allow',
        },
        {
          ...statement(
            't',
            ['publish'],
            many(5000, (n) => `topic:+/${n}${'y'.repeat(300)}`),
          ),
          effect: 'allow',
        },
      ]),
      { requireAttached: false } as never,
    );
    expect(refusals).toHaveLength(1);
    expect(warnings.length).toBeLessThanOrEqual(101);
    expect(size(warnings)).toBeLessThan(60_000);
  });
});
