import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../src/errors.js';
import { isTopic, isTopicFilter, stripShare } from '../../../src/policy/topic-filter.js';
import { lintPolicy } from '../../../src/policy/lint.js';
import { parsePolicy } from '../../../src/policy/policy.js';

const statement = (change: object) => ({
  name: 'p',
  statements: [{ id: 's', effect: 'allow', actions: ['publish'], resources: ['topic:a'], ...change }],
});
const window = { from: '06:00', to: '22:00', days: ['mon'], timeZone: 'Europe/Berlin' };
const windows = (change: object) => statement({ condition: { timeWindows: [{ ...window, ...change }] } });

describe('parsePolicy', () => {
  it.each<[string, unknown, RegExp]>([
    ['a wrong pair', statement({ actions: ['connect'] }), /statement s: action connect goes with client: resources/],
    ['one wrong pair of several', statement({ actions: ['publish', 'read'] }), /action read goes with endpoint:/],
    ['an unknown kind', statement({ resources: ['thing:a'] }), /must be \* or begin with topic:/],
    ['a wildcard inside a level', statement({ resources: ['topic:a+/b'] }), /\+ and # fill a level/],
    ['# before the end', statement({ resources: ['topic:#/a'] }), /# is last/],
    ['an unknown variable', statement({ resources: ['topic:${thing.owner}'] }), /unknown variable \$\{thing.owner\}/],
    ['an unclosed variable', statement({ resources: ['topic:${account/a'] }), /\$\{ without its \}/],
    ['a nested variable', statement({ resources: ['topic:${thing.attributes.${account}}'] }), /variable/],
    ['an action in capitals', statement({ actions: ['Publish'] }), /must be \* or \[a-z\]/],
    ['no actions', statement({ actions: [] }), /actions/],
    ['an unknown member', statement({ when: 'now' }), /statement s: .*when/],
    ['an empty list of ranges', statement({ condition: { sourceCidrs: [] } }), /sourceCidrs/],
    [
      'a range that is none',
      statement({ condition: { sourceCidrs: ['10.0.0.0/33'] } }),
      /10\.0\.0\.0\/33 is not an address range/,
    ],
    ['an unknown protocol', statement({ condition: { protocols: ['amqp'] } }), /protocols/],
    ['qos 3', statement({ condition: { qos: [3] } }), /qos/],
    ['a window that begins when it ends', windows({ to: '06:00' }), /begin and end at the same time/],
    ['24:00 as a beginning', windows({ from: '24:00' }), /from/],
    ['a window without a zone', windows({ timeZone: undefined }), /timeZone/],
    ['an unknown zone', windows({ timeZone: 'Europe/Atlantis' }), /Europe\/Atlantis is not in the IANA database/],
    ['an offset for a zone', windows({ timeZone: '+02:00' }), /not in the IANA database/],
    [
      'a repeated id',
      { name: 'p', statements: [statement({}).statements[0], statement({}).statements[0]] },
      /used twice/,
    ],
    ['a dot segment', statement({ actions: ['request'], resources: ['http:GET /a/../b'] }), /dot segment/],
    ['a method in small letters', statement({ actions: ['request'], resources: ['http:get /a'] }), /METHOD \/path/],
    ['no document', 7, /expected object/i],
  ])('refuses %s and says where', (_, document, message) => {
    try {
      parsePolicy(document);
    } catch (error) {
      expect(error).toBeInstanceOf(DomainError);
      expect((error as DomainError).code).toBe('invalid-policy');
      expect((error as DomainError).message).toMatch(message);
      return;
    }
    throw new Error('was accepted');
  });

  it('takes 24:00 as an end, protocols in any case and every kind of resource', () => {
    expect(parsePolicy(windows({ to: '24:00' })).statements[0]!.condition?.timeWindows![0]!.to).toBe('24:00');
    const document = statement({
      actions: ['*'],
      resources: ['*', 'topic:#', 'client:a', 'endpoint:x', 'http:* /#'],
      condition: { protocols: ['MQTTS'] },
    });
    expect(parsePolicy(document).statements[0]!.condition?.protocols).toEqual(['mqtts']);
  });
});

describe('lintPolicy', () => {
  const errors = (change: object) => lintPolicy(statement(change)).filter(({ level }) => level === 'error');

  it('refuses client:*, and * with connect, but lets a deny be that wide', () => {
    expect(errors({ actions: ['connect'], resources: ['client:*'] })).toMatchObject([
      { statement: 's', message: expect.stringMatching(/client:\*/) },
    ]);
    expect(errors({ actions: ['connect'], resources: ['*'] })).toHaveLength(1);
    expect(errors({ actions: ['*'], resources: ['*'] })).toHaveLength(1);
    expect(errors({ effect: 'deny', actions: ['*'], resources: ['*'] })).toEqual([]);
  });

  it('warns of statements that cross things, and of shared filters that never match', () => {
    const messages = (resource: string) =>
      lintPolicy(statement({ actions: ['subscribe'], resources: [resource] })).map(
        ({ level, message }) => `${level} ${message}`,
      );
    expect(messages('topic:#')).toEqual([expect.stringMatching(/^warning .*crosses things/)]);
    expect(messages('topic:${account}/+/status')).toEqual([expect.stringMatching(/crosses things/)]);
    expect(messages('topic:$share/g/a')).toEqual([expect.stringMatching(/never matches/)]);
    expect(messages('topic:${account}/${thing.name}/#')).toEqual([]);
  });
});

describe('topics', () => {
  it('are well-formed text of at most 65,535 bytes and 128 levels', () => {
    expect(
      ['a', '/', 'a//b', '/a', 'a/', '$SYS/x', 'a/\u{1f600}', '*', ' '].filter((topic) => !isTopic(topic)),
    ).toEqual([]);
    expect(['', 'a\0', '\ud800', 'a\udc00', '\udc00a', 'a+', '#', 'a/+/b'].filter((topic) => isTopic(topic))).toEqual(
      [],
    );
    expect([isTopic('/'.repeat(127)), isTopic('/'.repeat(128))]).toEqual([true, false]);
    expect([isTopic('é'.repeat(32_767)), isTopic('é'.repeat(32_768))]).toEqual([true, false]);
    expect(['#', '+', 'a/+/#', '+/+', '/#'].filter((filter) => !isTopicFilter(filter))).toEqual([]);
    expect(['a#', '#/a', 'a/#/b', '++', 'a+/b', ''].filter((filter) => isTopicFilter(filter))).toEqual([]);
  });

  it('only $share is stripped, once', () => {
    expect(stripShare('$share/g/a/#')).toBe('a/#');
    expect(stripShare('$share/g//a')).toBe('/a');
    expect(stripShare('$queue/a')).toBe('$queue/a');
    expect(
      ['$share', '$share/', '$share/g', '$share/g/', '$share//a', '$share/+/a', '$share/g/$share/h/a'].map(stripShare),
    ).toEqual(Array(7).fill(undefined));
  });
});
