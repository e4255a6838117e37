import { describe, expect, it } from 'vitest';
import { programCall } from '../../../src/cli/program-call.js';
import { endedNode, recommendedNode } from '../../../src/settings/node-life.js';

describe('a line of Node at its end', () => {
  it.each([
    ['20.20.2', '2026-04-30T12:00:00Z', false],
    ['20.20.2', '2026-05-01T00:00:00Z', true],
    ['22.23.3', '2026-12-01T00:00:00Z', false],
    ['24.1.0', '2028-05-01T00:00:00Z', true],
    ['99.0.0', '2099-01-01T00:00:00Z', false],
  ])('%s at %s', (version, now, hasEnded) => {
    const lines = endedNode(version, new Date(now));
    expect(lines).toHaveLength(hasEnded ? 1 : 0);
    if (hasEnded) expect(lines[0]).toMatch(/no security fixes since \d{4}-\d\d-\d\d: install Node 24/);
  });

  it('leads to no line that has ended itself before the other', () => {
    expect(endedNode(`${recommendedNode}.0.0`, new Date('2028-04-30T12:00:00Z'))).toEqual([]);
  });
});

describe('how to run the program again', () => {
  it.each([
    ['/usr/local/bin/thingward', 'thingward'],
    ['/srv/thingward/dist/main.js', 'node /srv/thingward/dist/main.js'],
    ['/srv/x/node_modules/.bin/thingward', '/srv/x/node_modules/.bin/thingward'],
    ["/srv/it's here/dist/main.js", "node '/srv/it'\\''s here/dist/main.js'"],
    [undefined, 'thingward'],
  ])('%s', (script, call) => expect(programCall(script)).toBe(call));
});
