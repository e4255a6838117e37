import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createTurns, mostWaiting, placesOf } from '../../../src/http/turns.js';

const createAnswer = () => Object.assign(new EventEmitter(), { destroyed: false });
type Answer = ReturnType<typeof createAnswer>;

function createBench() {
  const due: (() => void)[] = [];
  const begun: string[] = [];
  const turns = createTurns((work) => due.push(work));
  const send = (account: string, load: Parameters<typeof turns.enter>[1], name = account, id = 'key'): Answer => {
    const answer = createAnswer();
    turns.enter({ account, id }, load, answer, () => void begun.push(name));
    return answer;
  };
  return {
    send,
    /** What begins in the next turn of the event loop. */
    turn(): string[] {
      begun.length = 0;
      for (const work of due.splice(0)) work();
      return [...begun];
    },
    begun,
  };
}

describe('turns', () => {
  it('a request begins at once where nobody waits', () => {
    const { send, begun } = createBench();
    for (const load of ['question', 'read', 'write'] as const) send('a', load, load);
    expect(begun).toEqual(['question', 'read', 'write']);
  });

  it('what one account sends keeps nobody else waiting for more than a turn', () => {
    const { send, turn, begun } = createBench();
    for (let n = 0; n < 5000; n++) send('hostile', 'question');
    expect(begun).toHaveLength(32);
    for (let n = 0; n < 100; n++) {
      begun.length = 0;
      send('calm', 'question');
      expect(begun).toEqual(['calm']);
      expect(turn()).toHaveLength(32);
    }
  });

  it('holds places until answers are done with, or their connections gone', () => {
    const { send, turn, begun } = createBench();
    const answers = Array.from({ length: 5 }, () => send('a', 'page'));
    expect(begun).toHaveLength(placesOf.page);
    expect([turn(), turn()]).toEqual([[], []]);
    answers[0]!.emit('finish');
    answers[0]!.emit('close');
    expect([turn(), turn()]).toEqual([['a'], []]);
    answers[1]!.emit('close');
    answers[2]!.destroyed = true;
    expect(turn()).toEqual(['a']);
    answers[3]!.emit('finish');
    expect([turn(), turn()]).toEqual([['a'], []]);
  });

  it('what waits for a place keeps no other request of the account waiting', () => {
    const { send, turn, begun } = createBench();
    for (let n = 0; n < 10; n++) send('a', 'page', 'page');
    turn();
    begun.length = 0;
    send('a', 'question', 'question');
    expect(begun).toEqual(['question']);
  });

  it('a key whose answers are read slowly, or whose bodies come slowly, keeps no other key of its account waiting', () => {
    const { send, turn, begun } = createBench();
    for (let n = 0; n < 100; n++) send('a', 'page', 'slow', 'slow');
    turn();
    begun.length = 0;
    send('a', 'page', 'other', 'other');
    expect(begun).toEqual(['other']);
  });

  it('many keys of an account have one share, and each its turn in it', () => {
    const { send, turn, begun } = createBench();
    const keys = Array.from({ length: 20 }, (_, n) => `key ${n}`);
    for (const key of [...keys, ...keys]) send('hostile', 'heavy', key, key);
    expect(begun).toEqual(['key 0']);
    const later = Array.from({ length: 39 }, () => turn());
    expect(later.every((names) => names.length === 1)).toBe(true);
    const order = later.flat();
    expect(order.slice(0, 19).toSorted()).toEqual(keys.slice(1).toSorted());
    expect(order.slice(19).toSorted()).toEqual(keys.toSorted());
  });

  it('devices, which share a line, are held up by no slow one', () => {
    const { send, turn } = createBench();
    for (let n = 0; n < 1000; n++) send('a', 'write');
    let begun = 0;
    for (let n = 0; n < 400; n++) begun += turn().length;
    expect(begun).toBe(1000 - 4);
  });

  it('begins every request once, in the order of its kind, and gives all places back', () => {
    const { send, turn, begun } = createBench();
    const accounts = ['a', 'b', 'c'];
    const answers = new Map<string, Answer>();
    const names = Array.from({ length: 600 }, (_, n) => `${accounts[n % 3]!} ${n}`);
    names.forEach((name, n) => answers.set(name, send(name[0]!, (['read', 'write', 'heavy'] as const)[n % 3]!, name)));
    const all: string[] = [...begun];
    for (let turns = 0; all.length < names.length && turns < 2000; turns++) {
      for (const name of all) answers.get(name)!.emit('finish');
      all.push(...turn());
    }
    for (const account of accounts)
      expect(all.filter((name) => name[0] === account)).toEqual(names.filter((name) => name[0] === account));
  });

  it('refuses more than may wait', () => {
    const { send } = createBench();
    for (let n = 0; n < mostWaiting + 1; n++) send('a', 'heavy');
    expect(() => send('a', 'heavy')).toThrow(/wait for their turn/);
    expect(() => send('b', 'heavy')).not.toThrow();
  });
});
