import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDecider, type Decider, type DeciderOptions } from '../../../src/edge/decider/decider.js';
import type { Change, Guest } from '../../../src/edge/gate.js';
import { databaseKinds } from '../../support/databases/databases.js';
import { createMachine } from '../../support/edge/machine.js';
import { enroll, pemOf, provision, type Device } from '../../support/fleet.js';
import { startServer, type TestServer } from '../../support/server.js';

const minute = 60_000;
const statements = [
  { id: 'in', effect: 'allow', actions: ['connect'], resources: ['client:${thing.name}'] },
  { id: 'own', effect: 'allow', actions: ['publish'], resources: ['topic:d/${thing.name}'] },
];

describe.each(databaseKinds)('a decider in the dark, on %s', (kind) => {
  let server: TestServer;
  let key: string;
  let folder: string;
  let machine: ReturnType<typeof createMachine>;
  let devices: Device[];
  let open: Decider[];
  let errors: string[];

  const newKey = async (as = server.owner) =>
    (await as.post('/v1/api-keys', { role: 'edge' })).body as { id: string; key: string };

  const start = async (options: Partial<DeciderOptions> = {}): Promise<Decider> => {
    const onError = ({ message }: Error): void => void errors.push(message);
    const made = await createDecider({
      ...machine.clocks,
      server: server.url,
      key,
      name: `dark-${kind}`,
      stateDir: folder,
      onError,
      ...options,
    });
    open.push(made);
    return made;
  };

  const until = async (what: string, isSo: () => unknown): Promise<void> => {
    const late = performance.now() + 120_000;
    while (!(await isSo())) {
      if (performance.now() > late) throw new Error(`${what} never came: ${errors.join('; ')}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  const fingerprintOf = (device: Device): string =>
    createHash('sha256')
      .update(new X509Certificate(pemOf(device)).raw)
      .digest('hex');
  const tokenOf = (device: Device): string => device.answer.body.token.accessToken as string;

  const guestOf = async (one: Decider, fingerprint: string): Promise<Guest> => {
    const found = await one.gate.identify({ fingerprint, withoutCertificates: false });
    if ('barred' in found) throw new Error(`${found.barred}: ${found.detail}`);
    return found;
  };

  const decisionOf = async (one: Decider, principal: object, name: string) => {
    const { decision, reasons } = await one.decide({ principal, action: 'connect', resource: `client:${name}` });
    return `${decision} ${reasons.join()}`;
  };

  beforeAll(async () => {
    server = await startServer(kind);
    await server.owner.post('/v1/policies', { name: 'p', statements });
    const { token } = await enroll(server, { policies: ['p'] });
    devices = await Promise.all([0, 1, 2].map((n) => provision(server, token, `dark-${n}`)));
    ({ key } = await newKey());
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'decider-dark-'));
    machine = createMachine();
    open = [];
    errors = [];
  });
  afterEach(async () => {
    for (const each of open) await each.close();
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(() => server?.stop());

  it('decides for 15 minutes by what it knows, over a restart too, and then for nobody', async () => {
    const [known, unknown] = devices as [Device, Device];
    const first = await start();
    expect(first.trust()).toBe('live');
    await guestOf(first, fingerprintOf(known));
    machine.goAway();
    machine.pass(11_999);
    expect(first.trust()).toBe('live');
    machine.pass(1);
    expect(first.trust()).toBe('dark');
    machine.pass(4 * minute);
    expect(await decisionOf(first, { fingerprint: fingerprintOf(known) }, known.name)).toBe('allow in');
    expect(
      await first.gate.identify({ fingerprint: fingerprintOf(unknown), withoutCertificates: false }),
    ).toMatchObject({
      barred: 'away',
    });
    expect(await decisionOf(first, { fingerprint: fingerprintOf(unknown) }, unknown.name)).toBe('deny cannot-decide');
    expect(await decisionOf(first, { thingName: known.name }, known.name)).toBe('deny cannot-decide');
    await first.close();

    machine.pass(6 * minute);
    const second = await start();
    expect(second.trust()).toBe('dark');
    const guest = await guestOf(second, fingerprintOf(known));
    const ask = { action: 'connect', resource: `client:${known.name}` };
    expect(second.gate.judge(guest, ask)).toMatchObject({ allowed: true });
    expect(
      await decisionOf(second, { token: tokenOf(unknown), fingerprint: fingerprintOf(unknown) }, unknown.name),
    ).toBe('allow in');
    const changes: Change[] = [];
    second.gate.follow(async (change) => changes.push(change));
    machine.pass(4 * minute + 47_999);
    expect(second.trust()).toBe('dark');
    expect(second.gate.standing(guest)).toBeUndefined();
    machine.pass(1);
    expect(second.trust()).toBe('spent');
    expect(second.gate.standing(guest)).toMatchObject({ barred: 'away' });
    expect(second.gate.judge(guest, ask)).toMatchObject({ allowed: false, refusal: 'cannot-decide' });
    expect(await second.gate.identify({ token: tokenOf(unknown), withoutCertificates: true })).toMatchObject({
      barred: 'away',
    });
    await until('the end of trust', () => changes.some(({ everything }) => everything));

    // It hears again: everything is decided again, by what is known now.
    // A suspension holds the certificates of the thing.
    await server.owner.post(`/v1/things/${known.name}/suspend`);
    machine.comeBack();
    await until('a head', () => second.trust() === 'live');
    expect(second.gate.standing(guest)).toMatchObject({ barred: 'certificate-revoked' });
    await server.owner.post(`/v1/things/${known.name}/resume`);
    await until('the resumption', () => second.gate.standing(guest) === undefined);
  });

  it('keeps live guests after that time where it is told to, and lets in nobody', async () => {
    const one = await start({ keepsLive: true, trustForMs: minute });
    const guest = await guestOf(one, fingerprintOf(devices[0]!));
    machine.goAway();
    machine.pass(minute);
    expect(one.trust()).toBe('spent');
    expect(one.gate.standing(guest)).toBeUndefined();
    expect(one.gate.judge(guest, { action: 'connect', resource: 'client:dark-0' }).allowed).toBe(true);
    expect(
      await one.gate.identify({ fingerprint: fingerprintOf(devices[0]!), withoutCertificates: false }),
    ).toMatchObject({ barred: 'away' });
  });

  it.each([
    ['set back', -minute, 'spent'],
    ['set forward by a day', 24 * 60 * minute, 'spent'],
    ['set forward by ten minutes', 10 * minute, 'dark'],
  ])('over a restart with the clock %s', async (_what, by, trust) => {
    const first = await start();
    await guestOf(first, fingerprintOf(devices[0]!));
    await first.close();
    machine.goAway();
    machine.setWall(by);
    machine.pass(1000);
    const second = await start();
    expect(second.trust()).toBe(trust);
    const isIn = trust === 'dark';
    expect(await decisionOf(second, { fingerprint: fingerprintOf(devices[0]!) }, 'dark-0')).toBe(
      isIn ? 'allow in' : 'deny cannot-decide',
    );
    // The clock of the server is right again at its first word.
    machine.comeBack();
    await until('a head', () => second.trust() === 'live');
    expect(Math.abs(second.gate.now() - server.now().getTime())).toBeLessThan(minute);
  });

  it('judges expiry by the clock of the server, wherever that of the machine is', async () => {
    machine.setWall(-365 * 24 * 60 * minute);
    const one = await start({ trustForMs: 60 * minute });
    const token = { token: tokenOf(devices[1]!), fingerprint: fingerprintOf(devices[1]!) };
    expect(await decisionOf(one, token, 'dark-1')).toBe('allow in');
    machine.goAway();
    machine.pass(16 * minute);
    expect(await decisionOf(one, token, 'dark-1')).toBe('deny token-expired');
  });

  it('uses nothing of a state that was changed, is of another key, or was put back', async () => {
    const first = await start();
    await guestOf(first, fingerprintOf(devices[0]!));
    await first.close();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const names = readdirSync(folder);
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    machine.goAway();
    const [base] = names.filter((name) => name.startsWith('base-')) as [string];
    const whole = readFileSync(join(folder, base));
    const changed = Buffer.from(whole.toString('latin1').replace('"active"', '"Active"'), 'latin1');
    expect(changed.equals(whole)).toBe(false);
    writeFileSync(join(folder, base), changed);
    const wasRefused = 'not written by an edge with this API key';
    const refused = expect(start()).rejects.toThrow(wasRefused);
    await refused;
    expect(errors.join()).toContain(wasRefused);
    writeFileSync(join(folder, base), whole);
    await expect(start({ key: (await newKey()).key })).rejects.toThrow(wasRefused);
    // All files of before are of before: what passed since is taken off, whoever put them back.
    machine.pass(15 * minute);
    expect((await start()).trust()).toBe('spent');
  });

  it('shares the folder with nobody, and leaves it alone once it has closed, however often that is asked', async () => {
    const first = await start();
    await expect(start({ name: `other-${kind}` })).rejects.toThrow('stop that one first, or choose another stateDir');
    await guestOf(first, fingerprintOf(devices[0]!));
    await first.close();
    await (await start()).close();
    await first.close();
    machine.goAway();
    const third = await start();
    expect(await decisionOf(third, { fingerprint: fingerprintOf(devices[0]!) }, 'dark-0')).toBe('allow in');
  });

  it('ends at once when the key is deleted, and stays so over a restart', async () => {
    const { id, key: own } = await newKey();
    const one = await start({ key: own, name: `own-${kind}` });
    const guest = await guestOf(one, fingerprintOf(devices[0]!));
    const changes: Change[] = [];
    one.gate.follow(async (change) => changes.push(change));
    await server.owner.send('DELETE', `/v1/api-keys/${id}`);
    await until('the refusal', () => one.trust() === 'refused');
    expect(one.gate.standing(guest)).toMatchObject({ barred: 'refused' });
    expect(changes.at(-1)).toMatchObject({ everything: true });
    expect(await one.gate.identify({ fingerprint: guest.fingerprint, withoutCertificates: false })).toMatchObject({
      barred: 'refused',
    });
    await one.close();
    machine.goAway();
    const again = await start({ key: own, name: `own-${kind}` });
    expect(again.trust()).toBe('refused');
    await again.close();
    machine.comeBack();
    await expect(start({ key: own, name: `own-${kind}`, stateDir: `${folder}/none` })).rejects.toThrow('401');
  });

  it('ends when the account is suspended, and continues when it is active again', async () => {
    const name = `dim-${kind}`;
    const { body } = await server.owner.post('/v1/accounts', { name });
    const owner = server.as(body.ownerKey as string);
    await owner.post('/v1/policies', { name: 'p', statements });
    const { token } = await enroll({ owner }, { policies: ['p'] });
    const device = await provision(server, token, 'lamp');
    const one = await start({ key: (await newKey(owner)).key, name });
    const guest = await guestOf(one, fingerprintOf(device));
    await server.owner.post(`/v1/accounts/${name}/suspend`);
    await until('the refusal', () => one.gate.standing(guest)?.barred === 'refused');
    await server.owner.post(`/v1/accounts/${name}/resume`);
    await until('the end of it', () => one.trust() === 'live' && one.gate.standing(guest) === undefined);
  });

  it('reads everything again after a sleep of which the log is gone, and confirms who is there', async () => {
    const one = await start({ sessions: true, name: `sleeps-${kind}` });
    const guests = await Promise.all(devices.map((device) => guestOf(one, fingerprintOf(device))));
    const changes: Change[] = [];
    one.gate.follow(async (change) => {
      changes.push(change);
      return 0;
    });
    machine.goAway();
    await server.owner.post('/v1/things/dark-2/suspend');
    const position = server.services.log.position();
    await server.database.client.logHead.updateMany({ data: { pruned: BigInt(position) } });
    machine.comeBack();
    await until('the suspension', () => one.gate.standing(guests[2]!)?.barred === 'certificate-revoked');
    await server.database.client.logHead.updateMany({ data: { pruned: 0n } });
    expect(changes.some(({ everything }) => everything)).toBe(true);
    expect(guests.slice(0, 2).map((guest) => one.gate.standing(guest))).toEqual([undefined, undefined]);
    expect(errors.join()).toContain('410');
    await server.owner.post('/v1/things/dark-2/resume');
    await until('the resumption', () => one.gate.standing(guests[2]!) === undefined);
  });

  it('refuses a snapshot from before what it has applied', async () => {
    const one = await start({ name: `ahead-${kind}` });
    const at = Number(one.cursor().split(':')[1]);
    machine.change((path, text) => {
      if (path !== '/v1/edge/snapshot') return text;
      const page = JSON.parse(text) as { position: number; cursor: string };
      return JSON.stringify({ ...page, position: 1, cursor: page.cursor.replace(/\d+$/, '1') });
    });
    await server.database.client.logHead.updateMany({ data: { pruned: BigInt(at + 1000) } });
    machine.breakOff();
    await until('the refusal', () => errors.some((error) => error.includes(`before ${at}`)));
    await server.database.client.logHead.updateMany({ data: { pruned: 0n } });
    expect(Number(one.cursor().split(':')[1])).toBe(at);
  });
});
