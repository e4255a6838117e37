import { describe, expect, it } from 'vitest';
import { createTopicMemory } from '../../../../src/edge/mqtt/topic-memory.js';

describe('the memory of topics', () => {
  const asked: string[] = [];
  const memory = createTopicMemory((topic, flags) => {
    asked.push(`${topic} ${flags}`);
    return { allowed: true, validUntil: 100, topic };
  });
  const find = (topic: string, flags = 0, now = 0): string => {
    const bytes = Buffer.from(`xx${topic}yy`);
    return memory.find(bytes, 2, bytes.length - 2, flags, now).topic;
  };

  it('takes no topic for another with the same hash', () => {
    // Both have the FNV-1a of 0x5e4daa9d.
    expect([find('costarring'), find('liquid'), find('costarring')]).toEqual(['costarring', 'liquid', 'costarring']);
    expect(asked.splice(0)).toEqual(['costarring 0', 'liquid 0', 'costarring 0']);
  });

  it('asks again for other flags, when a decision is over, and when it was cleared', () => {
    for (const [flags, now] of [
      [0, 0],
      [0, 99],
      [1, 0],
      [0, 100],
    ] as const)
      find('a', flags, now);
    memory.clear();
    find('a');
    expect(asked.splice(0)).toEqual(['a 0', 'a 1', 'a 0', 'a 0']);
  });

  it('keeps many topics beside each other, and no long ones', () => {
    for (let round = 0; round < 3; round++) for (let topic = 0; topic < 100; topic++) find(`acme/pump/${topic}`);
    expect(asked.splice(0)).toHaveLength(100);
    const long = 'x'.repeat(257);
    expect([find(long), find(long)]).toEqual([long, long]);
    expect(asked.splice(0)).toHaveLength(2);
  });
});
