import { describe, expect, it } from 'vitest';
import { createEnforcement } from '../../../../src/edge/decider/enforcement.js';
import type { Change } from '../../../../src/edge/gate.js';

const change = (position: number): Change => ({
  cursor: String(position),
  things: new Set([`t${position}`]),
  everything: false,
  sessions: new Set(),
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An enforcement whose sessions end when the test says so. */
function started() {
  let at = 0;
  let isClear = true;
  const moves: (string | undefined)[] = [];
  const errors: string[] = [];
  const asked = new Map<string, { change: Change; end(count: number): void; fail(): void }>();
  const enforcement = createEnforcement({
    cursor: () => String(at),
    isClear: () => isClear,
    moved: () => void moves.push(enforcement.enforced()),
    onSound: () => {},
    onError: ({ message }) => void errors.push(message),
  });
  enforcement.follow(
    (each) =>
      new Promise((resolve, reject) =>
        asked.set(each.cursor, { change: each, end: resolve, fail: () => reject(new Error('no')) }),
      ),
  );
  return {
    enforcement,
    asked,
    errors,
    moves,
    setClear: (value: boolean) => void (isClear = value),
    changed(position: number) {
      at = position;
      enforcement.changed(change(position));
    },
    async end(position: number, count = 0) {
      asked.get(String(position))!.end(count);
      await turn();
    },
    async head(position: number) {
      at = position;
      enforcement.reached();
    },
  };
}

describe('what is enforced', () => {
  it('never passes a change whose sessions are still there, and no change waits for another', async () => {
    const { enforcement, changed, end, head, asked } = started();
    await head(1);
    expect(enforcement.enforced()).toBe('1');
    changed(2);
    changed(3);
    changed(4);
    expect([...asked.keys()]).toEqual(['2', '3', '4']);
    await head(5);
    expect(enforcement.enforced()).toBe('1');
    await end(3, 2);
    await end(4, 1);
    expect(enforcement.enforced()).toBe('1');
    await end(2, 4);
    expect(enforcement.enforced()).toBe('5');
    expect([enforcement.takeClosed(), enforcement.takeClosed()]).toEqual([7, 0]);
    enforcement.putBack(7);
    expect(enforcement.takeClosed()).toBe(7);
  });

  it('stands still while a live guest is unknown', async () => {
    const { enforcement, changed, end, head, setClear } = started();
    await head(1);
    setClear(false);
    changed(2);
    await end(2);
    await head(3);
    expect(enforcement.enforced()).toBe('1');
    setClear(true);
    changed(4);
    expect(enforcement.enforced()).toBe('1');
    await end(4);
    expect(enforcement.enforced()).toBe('4');
  });

  it('looks at every session again when enforcing fails', async () => {
    const { enforcement, changed, end, asked, errors } = started();
    changed(2);
    asked.get('2')!.fail();
    while (!asked.get('2')!.change.everything) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([enforcement.enforced(), errors]).toEqual([undefined, ['no']]);
    await end(2);
    expect(enforcement.enforced()).toBe('2');
  });

  it('takes many changes together when very many are under way', async () => {
    const { enforcement, changed, end, asked } = started();
    for (let position = 1; position <= 200; position++) changed(position);
    expect(asked.size).toBe(64);
    for (let position = 1; position <= 64; position++) await end(position);
    const last = asked.get('200')!.change;
    expect([last.things.size, last.things.has('t65'), enforcement.enforced()]).toEqual([136, true, '64']);
    await end(200);
    expect(enforcement.enforced()).toBe('200');
  });
});
