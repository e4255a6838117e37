import { describe, expect, it } from 'vitest';
import * as builders from '../../../src/log/builders.js';
import { edgeView, entriesOfPage, parseEdgeEntry } from '../../../src/log/edge-view.js';
import { parseEntry, type LogEntry, type NewLogEntry } from '../../../src/log/entries.js';

const account = 'acme';
const holder = { account, thingName: 'pump-1' };
const certificate = {
  serialNumber: '0a',
  fingerprint: 'f0',
  issuerId: 'i1',
  issuerIndex: 5n,
  crlScope: '3',
  notAfter: new Date('2030-01-01T00:00:00Z'),
  revokedAt: new Date('2026-01-02T03:04:05Z'),
  revokedPosition: 12n,
};
const document = {
  name: 'sensor',
  statements: [{ id: 's', effect: 'allow' as const, actions: ['read'], resources: ['endpoint:x'] }],
};
const segment = { name: 'floor', cidr: '10.9.8.0/24', allowedProtocols: ['MQTT'], trafficPolicy: { limit: 1 } };
const rights = { attributes: { site: 'berlin' }, policies: ['sensor'] };
const key = { kty: 'EC', crv: 'P-256', x: 'x1', y: 'y1', kid: 'k1', alg: 'ES256', use: 'sig' };
const retired = { kid: 'k0', retiresAt: new Date('2026-01-04T00:00:00Z') };

/** Every type, and the members that edges are shown beside the place: these and no others. */
const cases: [NewLogEntry, string[]][] = [
  [
    builders.revokedEntry(holder, certificate, 'keyCompromise'),
    [
      ...['index', 'scope', 'issuer', 'reason', 'notAfter', 'replaces', 'revokedAt'],
      ...['thingName', 'fingerprint', 'serialNumber'],
    ],
  ],
  [
    builders.releasedEntry(holder, certificate),
    ['index', 'scope', 'issuer', 'notAfter', 'replaces', 'thingName', 'fingerprint', 'serialNumber'],
  ],
  [
    builders.thingEntry(account, { id: 't1', name: 'pump-1', gen: 7, status: 'suspended', minGen: 6 }),
    ['gen', 'minGen', 'status', 'thingId', 'thingName'],
  ],
  [
    builders.thingChangedEntry(account, { id: 't1', name: 'pump-1', gen: 7, ...rights, segment: 'floor' }),
    ['gen', 'thingId', 'thingName', 'segment', 'policies', 'attributes'],
  ],
  [
    builders.thingChangedEntry(account, { id: 't1', name: 'pump-1', gen: 7, ...rights, segment: null }),
    ['gen', 'thingId', 'thingName', 'segment', 'policies', 'attributes'],
  ],
  [builders.tokenFamilyEntry(holder, 'f1'), ['family', 'thingName']],
  [builders.policyEntry(account, { name: 'sensor', version: 2, document }), ['name', 'version', 'document']],
  [builders.segmentEntry(account, 'floor', segment), ['name', 'segment']],
  [builders.segmentEntry(account, 'floor', null), ['name', 'segment']],
  [builders.keyDeletedEntry(account, 'k1'), ['id', 'status']],
  [builders.accountStatusEntry(account, 'suspended'), ['status', 'account']],
  [builders.issuerEntry(account, 'i1', { shards: 2 }), ['issuer', 'shards']],
  [builders.tokenKeysEntry(account, [key], [retired]), ['came', 'went']],
  [
    builders.accountEntry(account, { status: 'active', timeZone: 'UTC', clientIdForm: 'thing' }),
    ['status', 'settings'],
  ],
  [builders.commandEntry(account, { id: 'c1', thingName: 'pump-1' }), ['id', 'thingName']],
  [
    builders.pipelineEntry(account, 'sensor', { name: 'sensor', version: 2, document: { name: 'sensor' } }),
    ['name', 'pipeline'],
  ],
  [builders.pipelineEntry(account, 'sensor', null), ['name', 'pipeline']],
  [builders.sessionEntry(account, { id: 's1', thingName: 'pump-1' }), ['id', 'thingName']],
  [builders.authorityEntry(account, '3f2a9c41b07d5e68', 'PEM'), ['chain', 'issuer']],
];

const at = new Date('2026-01-03T00:00:00Z');
const inLog = (entry: NewLogEntry): LogEntry => parseEntry({ ...entry, position: 40, at });

describe('what edges see of an entry', () => {
  it.each(cases)('has exactly the members that are allowed: %o', (entry, members) => {
    const more = { ...inLog(entry), payload: { ...inLog(entry).payload, secret: 1, at: 'never', type: 'other' } };
    const view = edgeView(more as object as LogEntry);
    expect(Object.keys(view).sort()).toEqual(['at', 'position', 'type', ...members].sort());
    expect(view).toMatchObject({ position: 40, at: '2026-01-03T00:00:00Z', type: entry.type });
  });

  it.each(cases)('leads back to the entry, over JSON: %o', (entry) => {
    const view: unknown = JSON.parse(JSON.stringify(edgeView(inLog(entry))));
    expect(parseEdgeEntry(account, view)).toEqual(inLog(entry));
  });

  it('of a person is its place alone, and no stream sends it', () => {
    const entry = inLog(builders.personEntry(account, 'secret', 'secret'));
    expect(edgeView(entry)).toEqual({ position: 40, at: '2026-01-03T00:00:00Z', type: 'person' });
  });

  it('never has a member of a private key', () => {
    const leaked = { ...key, d: 'secret', p: 'secret', q: 'secret', k: 'secret', sealed: 'secret' };
    const entry = inLog(builders.tokenKeysEntry(account, [leaked], []));
    expect(JSON.stringify(edgeView(entry))).not.toContain('secret');
    expect(edgeView(entry)).toMatchObject({ came: [key] });
  });

  it('has no member that a segment has beside what decides', () => {
    const wide = { ...segment, egressRules: ['secret'], deviceLimit: 1 };
    expect(JSON.stringify(edgeView(inLog(builders.segmentEntry(account, 'floor', wide))))).not.toContain('secret');
  });

  it('of a type that a later version wrote is its place alone', () => {
    const entry = parseEntry({ position: 40, at, account, type: 'later', payload: { name: 'secret' } });
    expect(edgeView(entry)).toEqual({ position: 40, at: '2026-01-03T00:00:00Z', type: 'later' });
    expect(parseEdgeEntry(account, edgeView(entry))).toEqual(entry);
  });

  it('is refused for a known type without its shape', () => {
    for (const view of [{}, { type: 'thing', position: 1, at: 'x' }, { type: 'session', position: 1 }])
      expect(() => parseEdgeEntry(account, view)).toThrow('cannot be read');
  });
});

describe('a page of a snapshot', () => {
  it('is what is in force, and then the log in its order', () => {
    const view = (position: number, type: 'thing' | 'certificate') => ({
      ...edgeView(inLog(cases[type === 'thing' ? 2 : 0]![0])),
      position,
    });
    const entries = entriesOfPage(account, {
      position: 90,
      serverTime: '2026-01-03T00:00:00.250Z',
      policies: [{ name: 'sensor', version: 2, document }],
      segments: [segment],
      things: [view(11, 'thing'), view(14, 'thing')],
      certificates: [view(10, 'certificate'), view(13, 'certificate')],
    });
    expect(entries.map(({ type, position }) => `${type} ${position}`)).toEqual([
      'policy 90',
      'segment 90',
      'certificate 10',
      'thing 11',
      'certificate 13',
      'thing 14',
    ]);
  });
});
