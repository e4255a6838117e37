import { describe, expect, it } from 'vitest';
import { reachOf } from '../../../../src/edge/commands/filters.js';
import { createRandom } from '../../../support/policy-cases.js';

const reach = (...filters: string[]) => reachOf(filters, 'acme', 'pump');

describe('which commands filters reach', () => {
  it.each([
    ['acme/pump/commands/reboot', ['reboot']],
    ['acme/pump/commands/reboot/#', ['reboot']],
    ['+/+/+/reboot', ['reboot']],
    ['$share/group/acme/pump/commands/reboot', ['reboot']],
    ['acme/pump/commands/+', 'every'],
    ['acme/pump/commands/#', 'every'],
    ['acme/pump/+/+/#', 'every'],
    ['acme/#', 'every'],
    ['#', 'every'],
    ['acme/pump/commands', undefined],
    ['acme/pump/commands/+/+/result', undefined],
    ['acme/pump/commands/reboot/+', undefined],
    ['acme/valve/commands/+', undefined],
    ['other/pump/commands/+', undefined],
    ['acme/pump/telemetry/#', undefined],
    ['acme/pump/commands/', undefined],
    ['acme/pump/commands/a name', undefined],
  ])('%s', (filter, expected) => {
    expect(reach(filter)).toEqual(expected);
  });

  it('of several filters, what any of them reaches', () => {
    expect(reach()).toBeUndefined();
    expect(reach('a/b', 'acme/pump/commands/one', 'acme/+/commands/two')).toEqual(['one', 'two']);
    expect(reach('acme/pump/commands/one', 'acme/pump/#')).toBe('every');
    expect(reach(...Array.from({ length: 500 }, (_, nth) => `acme/pump/commands/n${nth}`))).toHaveLength(100);
  });

  it('is what MQTT matches, for random filters', () => {
    const random = createRandom(7);
    const levels = ['acme', 'pump', 'commands', 'go', 'stop', '+', '#', '', 'x'];
    for (let round = 0; round < 20_000; round++) {
      const parts = Array.from({ length: 1 + random.below(6) }, () => random.pick(levels));
      const hash = parts.indexOf('#');
      const filter = (hash < 0 ? parts : parts.slice(0, hash + 1)).join('/');
      const got = reach(filter);
      for (const name of ['go', 'stop', 'other']) {
        const isReached = got === 'every' || (got?.includes(name) ?? false);
        expect(isReached, `${filter} ${name}`).toBe(matches(filter.split('/'), ['acme', 'pump', 'commands', name]));
      }
    }
  });
});

/** MQTT 5.0 §4.7, word by word. */
function matches([first, ...filter]: string[], [level, ...topic]: string[]): boolean {
  if (first === '#') return true;
  if (first === undefined || level === undefined) return first === level;
  if (first !== '+' && first !== level) return false;
  if (topic.length === 0 && filter.length === 1 && filter[0] === '#') return true;
  return matches(filter, topic);
}
