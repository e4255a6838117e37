import { describe, expect, it } from 'vitest';
import { createTurns } from '../../../src/provisioning/turns.js';

describe('turns', () => {
  it('two at once, one of an account, and a long line waits behind others', async () => {
    const inTurn = createTurns();
    const started: string[] = [];
    const ends: (() => void)[] = [];
    const ask = (account: string) =>
      inTurn(account, () => {
        started.push(account);
        return new Promise<void>((end) => ends.push(end));
      });
    const all = ['a', 'a', 'a', 'b', 'b', 'c'].map(ask);
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    await settle();
    expect(started).toEqual(['a', 'b']);
    while (ends.length > 0) {
      ends.shift()!();
      await settle();
    }
    await Promise.all(all);
    expect(started).toEqual(['a', 'b', 'c', 'a', 'b', 'a']);
  });

  it('429 when the line of an account is full, and a turn that fails is given back', async () => {
    const inTurn = createTurns();
    const failing = inTurn('a', () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    let end = (): void => {};
    const first = inTurn('a', () => new Promise<void>((resolve) => (end = resolve)));
    const waiting = Array.from({ length: 32 }, () => inTurn('a', async () => {}));
    await expect(inTurn('a', async () => {})).rejects.toMatchObject({ code: 'too-many-requests' });
    await expect(inTurn('b', async () => 'b')).resolves.toBe('b');
    end();
    await Promise.all([first, ...waiting]);
  });
});
