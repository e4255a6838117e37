import { readFileSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { examine, programOf } from '../../../src/cli/doctor/doctor.js';
import { programNames, type ProgramName } from '../../../src/cli/doctor/finding.js';
import { brokerCases } from '../../support/doctor/brokers.js';
import { proxyCases } from '../../support/doctor/proxies.js';

const cases = [...brokerCases, ...proxyCases];
const now = new Date('2026-06-01T00:00:00Z');
const nothing = { read: () => undefined, now };
const listRules = ['list-unreadable', 'only-delta', 'list-old', 'list-missing-authority'];

const rulesInSource = (): string[] => {
  const folder = 'src/cli/doctor/';
  const texts = readdirSync(folder).map((name) => readFileSync(`${folder}${name}`, 'utf8'));
  return texts.flatMap((text) =>
    [...text.matchAll(/rule: '([a-z]+\/[a-z-]+)'|\bsaid\(\s*'([a-z-]+)'/g)].map(([, a, b]) => a ?? b!),
  );
};

describe('what the settings of a program would let in', () => {
  it.each(cases)('$program: $rule is found where it is, and not where it is mended', ({ program, rule, bad, good }) => {
    const line = bad.split('\n').findIndex((text) => text.includes('<--')) + 1;
    const found = examine(program, bad.replaceAll(/ *<--/g, ''), nothing);
    expect(found.map((finding) => finding.rule)).toEqual([`${program}/${rule}`]);
    expect(found[0]!.line).toBe(line);
    expect(found[0]!.harm).not.toBe('');
    expect(found[0]!.write).not.toContain('undefined');
    expect(examine(program, good, nothing)).toEqual([]);
  });

  it('has a case for each rule', () => {
    const shown = new Set(cases.flatMap(({ program, rule }) => [`${program}/${rule}`, rule]));
    expect(rulesInSource().length).toBeGreaterThan(40);
    expect(rulesInSource().filter((rule) => !shown.has(rule) && !listRules.includes(rule))).toEqual([]);
  });

  it('has a line in the documents for each rule', () => {
    const text = readFileSync('docs/doctor.md', 'utf8');
    expect(rulesInSource().filter((rule) => !text.includes(`\`${rule.split('/').at(-1)}\``))).toEqual([]);
  });

  it.each(cases)('$program: tells whose settings those of $rule are', ({ program, good }) => {
    expect(programOf('/etc/some.conf', good)).toBe(program);
  });

  it('knows files by their usual names', () => {
    const names = [
      'mosquitto.conf',
      'emqx.conf',
      'nanomq.conf',
      'rabbitmq.conf',
      'vernemq.conf',
      'nginx.conf',
      'haproxy.cfg',
      'envoy.yaml',
      'Caddyfile',
    ];
    expect(names.map((name) => programOf(`/etc/x/${name}`, ''))).toEqual([
      'mosquitto',
      'emqx',
      'nanomq',
      'rabbitmq',
      'vernemq',
      'nginx',
      'haproxy',
      'envoy',
      'caddy',
    ]);
    expect(programOf('some.conf', 'nothing of it')).toBeUndefined();
  });
});

describe('settings that are none', () => {
  it.each<[ProgramName, string, string]>([
    ['nginx', 'http {', 'no end'],
    ['nginx', '}', 'line 1: a block ends'],
    ['caddy', 'a {\n b {\n}', 'no end'],
    ['nginx', '{'.repeat(1000), 'too many blocks'],
    ['emqx', 'a = {'.repeat(1000), 'too many blocks'],
    ['emqx', 'a = "b', 'line 1: a quote has no end'],
    ['emqx', 'a\n]', 'no value'],
    ['emqx', 'include ]', 'not expected'],
    ['envoy', 'a: [', 'Flow sequence'],
  ])('of %s are refused with their line: %s', (program, text, message) => {
    expect(() => examine(program, text, nothing)).toThrow(message);
  });

  it('of any kind end with findings or an Error, in time that grows with their length', () => {
    const parts = fc.constantFrom(
      ...[
        '{',
        '}',
        ';',
        '\n',
        ' ',
        '"',
        "'",
        '#',
        '//',
        '=',
        ':',
        '[',
        ']',
        ',',
        '${',
        '\\',
        'a',
        'listener 1883',
        'ssl',
      ],
      ...['server', 'http', 'proxy_pass http://a', 'bind :1', 'authorization', 'url = ', 'auth_request /x'],
    );
    const text = fc.array(parts, { maxLength: 300 }).map((words) => words.join(''));
    fc.assert(
      fc.property(text, fc.constantFrom(...programNames), (settings, program) => {
        try {
          expect(Array.isArray(examine(program, settings, nothing))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          expect(error).not.toBeInstanceOf(TypeError);
          expect(error).not.toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
