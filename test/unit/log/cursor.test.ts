import { describe, expect, it } from 'vitest';
import { encodeCursor, parseCursor, requireFollowable } from '../../../src/log/cursor.js';

const epoch = '00000000-0000-4000-8000-000000000001';

describe('a cursor', () => {
  it('is read as it was written, and refused in any other form', () => {
    for (const position of [0, 7, 999_999_999_999_999])
      expect(parseCursor(encodeCursor({ epoch, position }))).toEqual({ epoch, position });
    for (const text of [
      '',
      ':',
      ':0',
      epoch,
      `${epoch}:`,
      `${epoch}:-1`,
      `${epoch}:1:2`,
      `${epoch}:1e3`,
      `x${epoch}:1`,
    ])
      expect(() => parseCursor(text)).toThrow(expect.objectContaining({ code: 'invalid-request' }));
  });

  it('leads on from the place where the log is cut, and from nowhere before it or in another epoch', () => {
    const log = { epoch, pruned: 5 };
    const follow = (position: number, of = epoch) => requireFollowable({ epoch: of, position }, log);
    expect(follow(5)).toBeUndefined();
    const links = { links: { snapshot: '/v1/revocations/snapshot' } };
    expect(() => follow(4)).toThrow(expect.objectContaining({ code: 'cursor-pruned', extras: links }));
    expect(() => follow(9, 'other')).toThrow(expect.objectContaining({ code: 'epoch-changed', extras: links }));
  });
});
