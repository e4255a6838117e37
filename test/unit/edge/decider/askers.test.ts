import { expect, it } from 'vitest';
import { createAskers } from '../../../../src/edge/decider/barring.js';
import type { KeyPromises } from '../../../../src/edge/decider/known.js';

const promisesOf = (bearer: boolean): KeyPromises => ({ bearer, enforcesCrl: true, followsFeed: false });

it('who asks is made once, and again when what is known of the key is another', () => {
  let promises = promisesOf(true);
  let account = 'acme';
  const askerOf = createAskers({ account: () => account, promises: () => promises });
  const [bound, bare] = [askerOf(false), askerOf(true)];
  expect(bound).toEqual({
    account: 'acme',
    promises: { bearer: false, enforcesCrl: true, followsFeed: false, inUrl: false },
  });
  expect(bare.promises.bearer).toBe(true);
  expect(askerOf(false)).toBe(bound);
  expect(askerOf(true)).toBe(bare);
  promises = promisesOf(false);
  expect(askerOf(true).promises.bearer).toBe(false);
  account = 'globex';
  expect([askerOf(true).account, askerOf(false).account]).toEqual(['globex', 'globex']);
});
