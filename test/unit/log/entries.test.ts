import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  accountEntry,
  accountStatusEntry,
  issuerEntry,
  keyDeletedEntry,
  policyEntry,
  releasedEntry,
  revokedEntry,
  segmentEntry,
  everybodyEntry,
  personEntry,
  sessionEntry,
  commandEntry,
  pipelineEntry,
  authorityEntry,
  thingChangedEntry,
  thingEntry,
  tokenFamilyEntry,
  tokenKeysEntry,
} from '../../../src/log/builders.js';
import {
  edgeTypes,
  followerView,
  hiddenTypes,
  isForEdges,
  isInner,
  logEntryTypes,
  parseEntry,
  type LogEntry,
  type NewLogEntry,
} from '../../../src/log/entries.js';

const account = 'acme';
const holder = { account, thingName: 'pump-1' };
const thing = { id: 't1', name: 'pump-1', gen: 7 };
const certificate = {
  serialNumber: '0a',
  fingerprint: 'f0',
  issuerId: 'i1',
  issuerIndex: 5n,
  crlScope: 'complete',
  notAfter: new Date('2030-01-01T00:00:00.500Z'),
  revokedAt: null,
  revokedPosition: null,
};
const again = {
  ...certificate,
  crlScope: '3',
  revokedAt: new Date('2026-01-02T03:04:05Z'),
  revokedPosition: 12n,
};
const rights = { attributes: { site: 'secret-site' }, policies: ['secret-policy'] };
const document = {
  name: 'sensor',
  statements: [{ id: 'secret', effect: 'allow' as const, actions: ['read'], resources: ['endpoint:x'] }],
};
const segment = { name: 'floor', cidr: '10.9.8.0/24', allowedProtocols: ['MQTT'], trafficPolicy: { secret: 1 } };

/** Every type in every form that is written, and what followers are shown of it, byte for byte. */
const cases: [NewLogEntry, string][] = [
  [
    revokedEntry(holder, certificate, 'unspecified'),
    '"type":"certificate","index":5,"issuer":"i1","reason":"unspecified","notAfter":"2030-01-01T00:00:00Z","thingName":"pump-1","fingerprint":"f0","serialNumber":"0a"',
  ],
  [
    revokedEntry(holder, again, 'keyCompromise'),
    '"type":"certificate","index":5,"scope":"3","issuer":"i1","reason":"keyCompromise","notAfter":"2030-01-01T00:00:00Z","replaces":12,"revokedAt":"2026-01-02T03:04:05Z","thingName":"pump-1","fingerprint":"f0","serialNumber":"0a"',
  ],
  [
    releasedEntry(holder, again),
    '"type":"release","index":5,"scope":"3","issuer":"i1","notAfter":"2030-01-01T00:00:00Z","replaces":12,"thingName":"pump-1","fingerprint":"f0","serialNumber":"0a"',
  ],
  [
    thingEntry(account, { ...thing, status: 'suspended', minGen: 6 }),
    '"type":"thing","gen":7,"minGen":6,"status":"suspended","thingId":"t1","thingName":"pump-1"',
  ],
  [
    thingChangedEntry(account, { ...thing, ...rights, segment: 'floor' }),
    '"type":"thing-changed","gen":7,"thingId":"t1","thingName":"pump-1","segment":"floor"',
  ],
  [
    thingChangedEntry(account, { ...thing, ...rights, segment: null }),
    '"type":"thing-changed","gen":7,"thingId":"t1","thingName":"pump-1"',
  ],
  [tokenFamilyEntry(holder, 'f1'), '"type":"token-family","family":"f1","thingName":"pump-1"'],
  [policyEntry(account, { name: 'sensor', version: 2, document }), '"type":"policy","name":"sensor","version":2'],
  [segmentEntry(account, 'floor', segment), '"type":"segment","name":"floor"'],
  [segmentEntry(account, 'floor', null), '"type":"segment","name":"floor"'],
  [keyDeletedEntry(account, 'k1'), '"type":"key","id":"k1","status":"deleted"'],
  [accountStatusEntry(account, 'suspended'), '"type":"key","status":"suspended","account":"acme"'],
  [tokenKeysEntry(account, [{ kid: 'secret', alg: 'ES256', kty: 'EC' }], []), '"type":"token-keys"'],
  [accountEntry(account, { status: 'active', timeZone: 'secret', clientIdForm: 'thing' }), '"type":"account"'],
  [commandEntry(account, { id: 'secret', thingName: 'pump-1' }), '"type":"command"'],
  [pipelineEntry(account, 'secret', { name: 'secret', version: 2, document: { name: 'secret' } }), '"type":"pipeline"'],
  [pipelineEntry(account, 'secret', null), '"type":"pipeline"'],
  [sessionEntry(account, { id: 'secret', thingName: 'pump-1' }), '"type":"session"'],
  [authorityEntry(account, 'secret', 'secret'), '"type":"authority"'],
  [personEntry(account, 'secret', 'secret'), '"type":"person"'],
  [everybodyEntry(account), '"type":"person"'],
  [issuerEntry(account, 'i1'), '"type":"issuer","issuer":"i1"'],
  [
    issuerEntry(account, 'i1', {
      listSuperseded: true,
      distributionPoint: false,
      shards: 2,
      deltaList: true,
      listMaxAge: 60,
    }),
    '"type":"issuer","issuer":"i1","shards":2,"deltaList":true,"listMaxAge":60,"listSuperseded":true,"distributionPoint":false',
  ],
];

const at = new Date('2026-01-03T00:00:00.123Z');
const inLog = (entry: NewLogEntry): LogEntry => ({ ...entry, position: 40, at });

describe('what followers see of an entry', () => {
  it.each(cases)('%o', (entry, shown) => {
    const text = `{"position":40,"at":"2026-01-03T00:00:00Z",${shown}}`;
    expect(JSON.stringify(followerView(parseEntry({ ...entry, position: 40n, at })))).toBe(text);
    const more = { ...inLog(entry), payload: { ...entry.payload, secret: 1, at: 'never', type: 'other' } };
    expect(JSON.stringify(followerView(more as object as LogEntry))).toBe(text);
    expect(text).not.toMatch(/secret|10\.9|MQTT/);
  });

  it('is tested for every type', () => {
    const tested = new Set<string>(cases.map(([{ type }]) => type));
    expect([...tested].sort(), 'add the form of each type to `cases`').toEqual([...logEntryTypes].sort());
  });

  it('is of a type that the database accepts', () => {
    const migrations = readdirSync('prisma/migrations', { withFileTypes: true }).filter((each) => each.isDirectory());
    const sql = migrations
      .map(({ name }) => name)
      .sort()
      .map((name) => readFileSync(`prisma/migrations/${name}/migration.sql`, 'utf8'))
      .join('');
    const lists = [...sql.matchAll(/"log_entries_type" CHECK \("type" IN \(([^)]*)\)/g)].map(([, list]) => list!);
    const accepted = [...lists.at(-1)!.matchAll(/'([^']+)'/g)].map(([, type]) => type!);
    const hint = 'a migration must replace the constraint log_entries_type';
    expect(accepted.sort(), hint).toEqual([...logEntryTypes].sort());
  });

  it('hides what is for edges alone, and what is for the instances alone', () => {
    for (const [entry] of cases)
      expect([entry.type, isInner(inLog(entry))]).toEqual([entry.type, entry.type === 'person']);
    expect([...hiddenTypes].sort()).toEqual([...edgeTypes, 'person'].sort());
    for (const [entry] of cases)
      expect([entry.type, isForEdges(inLog(entry))]).toEqual([
        entry.type,
        edgeTypes.some((type) => type === entry.type),
      ]);
  });

  it('of a type that a later version wrote is its place alone', () => {
    const entry = parseEntry({ position: 40n, at, account, type: 'later', payload: { name: 'secret' } });
    expect(entry).toEqual({ position: 40, at, account, type: 'unknown', payload: { named: 'later' } });
    expect(followerView(entry)).toEqual({ position: 40, at: '2026-01-03T00:00:00Z', type: 'later' });
  });
});

describe('reading an entry', () => {
  it.each(cases)('gives the same from a row and from JSON, without what this version does not know: %o', (entry) => {
    const row = { ...entry, payload: { ...entry.payload, later: true }, position: 40n, at, epoch: 'e', head: 50n };
    expect(parseEntry(row)).toEqual(inLog(entry));
    expect(parseEntry(JSON.parse(JSON.stringify({ ...row, position: 40, head: 50 })))).toEqual(inLog(entry));
  });

  it('refuses a known type without its shape, naming the entry', () => {
    for (const [entry] of cases)
      expect(() => parseEntry({ ...entry, position: 40n, at, payload: {} })).toThrow(
        `the entry 40 of the log, of type ${entry.type}, cannot be read: payload.`,
      );
    for (const input of [null, 7, 'x', {}, { type: 'person' }, { type: 'toString', payload: {} }])
      expect(() => parseEntry(input)).toThrow('cannot be read');
  });

  it('revokes whatever reason a later version gives', () => {
    const entry = { ...revokedEntry(holder, certificate, 'unspecified'), position: 1n, at };
    const read = parseEntry({ ...entry, payload: { ...entry.payload, reason: 'ofTomorrow' } });
    expect(read.payload).toMatchObject({ reason: 'unspecified', serialNumber: '0a' });
  });

  it('names like those of objects are unknown types', () => {
    for (const type of ['toString', 'constructor', '__proto__', 'unknown'])
      expect(parseEntry({ position: 1, at, account, type, payload: {} }).payload).toEqual({ named: type });
  });
});
