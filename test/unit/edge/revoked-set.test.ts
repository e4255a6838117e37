import { describe, expect, it } from 'vitest';
import { createRevokedSet, readFeedEntry, type FeedEntry } from '../../../src/edge/revoked-set.js';

const revoked = {
  position: 1,
  type: 'certificate',
  fingerprint: 'f0',
  serialNumber: '0a',
  thingName: 'p',
  reason: 'x',
};

describe('an edge', () => {
  it('passes over what changes nothing, types of later servers too, and nothing that it cannot read', () => {
    for (const type of ['thing-changed', 'policy', 'issuer', 'of-tomorrow', 'toString'])
      expect(readFeedEntry({ position: 2, type, more: 1 })).toEqual({ position: 2, type: 'other' });
    expect(readFeedEntry({ ...revoked, more: 1 })).toEqual({ ...revoked, more: 1 });
    for (const sent of [
      null,
      1,
      {},
      { type: 'policy' },
      { ...revoked, fingerprint: undefined },
      { ...revoked, reason: 1 },
    ])
      expect(() => readFeedEntry(sent)).toThrow('the feed sent');
    expect(() => readFeedEntry({ position: 1, type: 'thing', thingName: 'p' })).toThrow('of type thing');
  });

  it('knows what is revoked by its serial number where a restored backup lacks the certificate', () => {
    const set = createRevokedSet();
    const certificates = [{ serialNumber: '0b', reason: 'keyCompromise' }];
    set.load({ cursor: 'e:1', position: 1, certificates, things: [] });
    expect([set.reasonFor('0b'), set.reasonFor('undefined'), set.size()]).toEqual(['keyCompromise', undefined, 1]);
    set.apply(revoked as FeedEntry);
    expect([set.reasonFor('f0'), set.reasonFor('0a'), set.size()]).toEqual(['x', 'x', 2]);
  });
});
