import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDecider, type Decider } from '../../../src/edge/decider/decider.js';
import { enroll, pemOf, provision, renew, useKey, type Device } from '../../support/fleet.js';
import { serialOf } from '../../support/pki/crl.js';
import { startServer, type TestServer } from '../../support/server.js';

const day = 86_400;
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** Every reason that a decision may have. `thing-revoked` needs a live certificate of a revoked thing, which the server never leaves. */
const reachable = [
  'no-matching-statement',
  'outside-time-window',
  'token-invalid',
  'token-expired',
  'token-revoked',
  'binding-mismatch',
  'certificate-revoked',
  'certificate-superseded',
  'certificate-expired',
  'thing-suspended',
  'unknown-principal',
  'outside-segment',
  'malformed-resource',
  // Those of statements, by their names.
  'in',
  'never',
];

describe('each reason of a decision', () => {
  let server: TestServer;
  let decider: Decider;
  let key: string;
  let things: Record<string, Device>;
  let windowDay: string;
  const folder = mkdtempSync(join(tmpdir(), 'decider-reasons-'));
  const reached = new Set<string>();

  beforeAll(async () => {
    server = await startServer('embedded');
    windowDay = dayNames[(server.now().getUTCDay() + 3) % 7]!;
    const ofDay = { days: [windowDay], timeZone: 'UTC' };
    const timeWindows = [
      { from: '00:00', to: '12:00', ...ofDay },
      { from: '12:00', to: '00:00', ...ofDay },
    ];
    const statements = [
      { id: 'in', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
      { id: 'later', effect: 'allow', actions: ['publish'], resources: ['topic:later'], condition: { timeWindows } },
      { id: 'never', effect: 'deny', actions: ['publish'], resources: ['topic:secret'] },
    ];
    expect((await server.owner.post('/v1/policies', { name: 'p', statements })).status).toBe(201);
    await server.owner.post('/v1/segments', {
      name: 'lab',
      cidr: '10.0.0.0/8',
      allowedProtocols: ['MQTT'],
      trafficPolicy: {},
    });
    const { token } = await enroll(server, { policies: ['p'] });
    const inside = await enroll(server, { policies: ['p'], segment: 'lab' });
    things = {};
    for (const name of ['plain', 'broken', 'renewed', 'paused', 'held'])
      things[name] = await provision(server, token, name);
    things['inside'] = await provision(server, inside.token, 'inside');
    key = (await server.owner.post('/v1/api-keys', { role: 'edge' })).body.key as string;
    decider = await createDecider({ server: server.url, key, name: 'e', stateDir: folder });
  });
  afterAll(async () => {
    await decider?.close();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const fingerprintOf = (device: Device): string =>
    createHash('sha256')
      .update(new X509Certificate(pemOf(device)).raw)
      .digest('hex');
  const tokenOf = (device: Device): string => device.answer.body.token.accessToken as string;

  /** Everything that is committed is applied at the decider, and it knows the time. */
  const settled = async (): Promise<void> => {
    const position = server.services.log.position();
    do {
      await server.services.chores.run('tell-edge-streams-the-head');
      await new Promise((resolve) => setTimeout(resolve, 5));
    } while (
      Number(decider.cursor().split(':')[1]) < position ||
      Math.abs(decider.gate.now() - server.now().getTime()) > 5000
    );
  };

  type Question = { principal: object; action: string; resource: string; context?: object };

  /** What both answer, which has to be the same. */
  const reasonOf = async (question: Question): Promise<string> => {
    const { validUntil: _a, ...here } = await decider.decide(question);
    const { validUntil: _b, ...there } = (await server.as(key).post('/v1/authorize', question)).body;
    expect(here, JSON.stringify(question)).toEqual(there);
    reached.add(here.reasons[0]!);
    return here.reasons.join();
  };
  const byCertificate = (name: string, action = 'connect', resource = `client:${name}`, context = {}) =>
    reasonOf({ principal: { fingerprint: fingerprintOf(things[name]!) }, action, resource, context });
  const byToken = (name: string, more: object = { fingerprint: fingerprintOf(things[name]!) }) =>
    reasonOf({ principal: { token: tokenOf(things[name]!), ...more }, action: 'connect', resource: `client:${name}` });

  it('is reached by the server and the decider alike, in a fixed order of changes', async () => {
    await settled();
    expect(await byCertificate('plain')).toBe('in');
    expect(await byToken('plain')).toBe('in');
    expect(await byCertificate('plain', 'publish', 'topic:secret')).toBe('never');
    expect(await byCertificate('plain', 'publish', 'topic:other')).toBe('no-matching-statement');
    expect(await byCertificate('plain', 'publish', 'topic:later')).toBe('outside-time-window');
    expect(await byCertificate('plain', 'publish', 'topic:#')).toBe('malformed-resource');
    const elsewhere = { sourceIp: '192.0.2.1', protocol: 'mqtts' };
    expect(await byCertificate('inside', 'connect', 'client:inside', elsewhere)).toBe('outside-segment');
    expect(await byCertificate('inside', 'connect', 'client:inside', { ...elsewhere, sourceIp: '10.1.2.3' })).toBe(
      'in',
    );
    expect(await byToken('plain', {})).toBe('binding-mismatch');
    expect(await byToken('plain', { fingerprint: fingerprintOf(things['held']!) })).toBe('binding-mismatch');
    const forged = `${tokenOf(things['plain']!).slice(0, -4)}AAAA`;
    const connect = { action: 'connect', resource: 'client:plain' };
    expect(await reasonOf({ principal: { token: forged }, ...connect })).toBe('token-invalid');
    expect(await reasonOf({ principal: { fingerprint: '0'.repeat(64) }, ...connect })).toBe('unknown-principal');
    expect(await reasonOf({ principal: { thingName: 'nobody' }, ...connect })).toBe('unknown-principal');

    await server.owner.post(`/v1/certificates/${serialOf(things['broken']!)}/revoke`, { reason: 'keyCompromise' });
    await settled();
    expect(await byCertificate('broken')).toBe('certificate-revoked');
    expect(await byToken('broken')).toBe('certificate-revoked');

    const next = await renew(server, things['renewed']!);
    expect((await useKey(server, next)).status).toBe(200);
    await settled();
    expect(await byCertificate('renewed')).toBe('certificate-superseded');
    expect(await byToken('renewed')).toBe('certificate-superseded');

    for (const verb of ['suspend', 'resume']) await server.owner.post(`/v1/things/paused/${verb}`);
    await settled();
    expect(await byToken('paused')).toBe('token-revoked');
    expect(await byCertificate('paused')).toBe('in');

    // A suspension holds what is not held already, and its end is not needed for the end of another hold.
    const serial = serialOf(things['held']!);
    await server.owner.post(`/v1/certificates/${serial}/revoke`, { reason: 'certificateHold' });
    await server.owner.post('/v1/things/held/suspend');
    expect((await server.owner.post(`/v1/certificates/${serial}/release`)).status).toBe(200);
    await settled();
    expect(await byCertificate('held')).toBe('thing-suspended');

    await server.owner.post('/v1/things/inside/revoke', { reason: 'unspecified' });
    await settled();
    expect(await byCertificate('inside')).toBe('certificate-revoked');
    expect(await byToken('inside')).toBe('token-revoked');

    server.advance(3 * day);
    await settled();
    expect(await byToken('plain')).toBe('token-expired');
    expect(await byCertificate('plain', 'publish', 'topic:later')).toBe('later');
    server.advance(90 * day);
    await settled();
    expect(await byCertificate('plain')).toBe('certificate-expired');

    expect([...reached].sort()).toEqual([...reachable, 'later'].sort());
  });
});
