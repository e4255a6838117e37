import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDecider, type Decider, type DeciderOptions } from '../../../../src/edge/decider/decider.js';
import type { Change, Guest } from '../../../../src/edge/gate.js';
import { scriptControlPlane, thingId } from '../../../support/edge/scripted-control-plane.js';

const pump = 'a'.repeat(64);
const lamp = 'b'.repeat(64);

let script: ReturnType<typeof scriptControlPlane>;
let folder: string;
let ms: number;
let open: Decider[];
let errors: string[];

const start = async (options: Partial<DeciderOptions> = {}): Promise<Decider> => {
  const made = await createDecider({
    server: 'https://things.example.com',
    key: 'twk_x',
    name: 'e',
    stateDir: join(folder, 'state'),
    fetch: script.fetch,
    now: () => ms,
    wall: () => 1_000_000_000 + ms,
    onError: ({ message }) => void errors.push(message),
    ...options,
  });
  open.push(made);
  return made;
};

const until = async (what: string, isSo: () => boolean): Promise<void> => {
  const late = performance.now() + 60_000;
  while (!isSo()) {
    if (performance.now() > late) throw new Error(`${what} never came: ${errors.join('; ')}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

const guestOf = async (one: Decider, fingerprint: string): Promise<Guest> => {
  const found = await one.gate.identify({ fingerprint, withoutCertificates: false });
  if ('barred' in found) throw new Error(`${found.barred}: ${found.detail}`);
  return found;
};

const askedFor = (path: string) => script.told.filter((each) => each.path.startsWith(path));
const receipts = () => askedFor('/v1/proxies/proxy-1/applied').map(({ body }) => body);

const pass = (byMs: number): void => {
  ms += byMs;
  script.pass(byMs);
};

beforeEach(() => {
  script = scriptControlPlane();
  script.hold(pump, 'pump');
  script.hold(lamp, 'lamp');
  folder = mkdtempSync(join(tmpdir(), 'decider-'));
  ms = 5_000_000;
  open = [];
  errors = [];
});

afterEach(async () => {
  for (const each of open) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('a decider', () => {
  it('asks for a certificate once, for many together, and not again until it is forgotten', async () => {
    const one = await start();
    const all = [pump, lamp, pump, 'c'.repeat(64)].map(async (fingerprint) =>
      one.gate.identify({ fingerprint, withoutCertificates: false }),
    );
    expect((await Promise.all(all)).map((each) => ('barred' in each ? each.barred : each.thingName))).toEqual([
      'pump',
      'lamp',
      'pump',
      'unknown-principal',
    ]);
    expect(one.gate.identify({ fingerprint: pump, withoutCertificates: false })).not.toBeInstanceOf(Promise);
    expect(askedFor('/v1/edge/principals').map(({ body }) => body)).toEqual([
      { fingerprints: [pump, lamp, 'c'.repeat(64)], atLeast: script.cursor() },
    ]);
    // Nobody who was not found is kept.
    script.hold('c'.repeat(64), 'fan');
    expect((await guestOf(one, 'c'.repeat(64))).thingName).toBe('fan');
  });

  it('applies what the log says of a holder without asking', async () => {
    const one = await start();
    const guest = await guestOf(one, pump);
    const may = (resource: string) => one.gate.judge(guest, { action: 'publish', resource }).allowed;
    expect([may('topic:a'), may('topic:b')]).toEqual([true, false]);
    const thing = { thingId, thingName: 'pump', gen: 2 };
    script.say({ type: 'thing-changed', ...thing, policies: ['p'], attributes: { site: 'b' } });
    await until('the attributes', () => may('topic:b'));
    expect(may('topic:a')).toBe(false);
    script.say({ type: 'thing', ...thing, status: 'suspended', minGen: 2 });
    await until('the suspension', () => one.gate.standing(guest)?.barred === 'thing-suspended');
    script.say({ type: 'thing', ...thing, status: 'active', minGen: 2 });
    await until('the resumption', () => one.gate.standing(guest) === undefined);
    expect([may('topic:a'), may('topic:b')]).toEqual([false, true]);
    const certificate = { issuer: 'i', index: 1, notAfter: '2027-11-28T12:00:00Z', serialNumber: '01' };
    script.say({ type: 'certificate', ...certificate, thingName: 'pump', fingerprint: pump, reason: 'keyCompromise' });
    await until('the revocation', () => one.gate.standing(guest)?.barred === 'certificate-revoked');
    expect(askedFor('/v1/edge/principals')).toHaveLength(1);
  });

  it('says what it applied, and with sessions what is enforced, in this order', async () => {
    const one = await start({ sessions: true });
    const ends: ((count: number) => void)[] = [];
    const changes: Change[] = [];
    one.gate.follow((change) => {
      changes.push(change);
      return new Promise((resolve) => ends.push(resolve));
    });
    await until('the first receipt', () => receipts().length > 0);
    const position = script.say({ type: 'session', id: 's-1', thingName: 'pump' });
    await until('the entry', () => receipts().some(({ cursor }) => cursor === script.cursor()));
    expect(changes).toEqual([
      { cursor: script.cursor(position), things: new Set(), everything: false, sessions: new Set(['s-1']) },
    ]);
    expect(receipts().at(-1)).toMatchObject({
      mode: 'stream',
      enforced: script.cursor(position - 1),
      sessionsClosed: 0,
    });
    ends[0]!(1);
    await until('the end', () => receipts().some(({ enforced }) => enforced === script.cursor(position)));
    expect(receipts().at(-1)).toMatchObject({ cursor: script.cursor(position), sessionsClosed: 1 });
    expect(askedFor('/v1/proxies?').concat(script.told.filter(({ path }) => path === '/v1/proxies'))[0]!.body).toEqual({
      name: 'e',
      sessions: true,
    });
  });

  it('decides from a new snapshot only after the first head, with what the stream said until then', async () => {
    const one = await start();
    const guest = await guestOf(one, pump);
    script.failing.set('/v1/edge/stream', 410);
    script.cut();
    await until('the gap', () => errors.some((error) => error.includes('410')));
    script.say({ type: 'key', id: 'k', status: 'deleted' }, false);
    script.isQuiet = true;
    script.failing.clear();
    const before = askedFor('/v1/edge/stream').length;
    await until('another stream', () => askedFor('/v1/edge/stream').length > before);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const applied = one.cursor();
    script.say({ type: 'thing', thingId, thingName: 'pump', gen: 2, minGen: 2, status: 'suspended' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([one.cursor(), one.gate.standing(guest)]).toEqual([applied, undefined]);
    script.head();
    await until('the snapshot', () => one.cursor() === script.cursor());
    expect(one.gate.standing(guest)).toMatchObject({ barred: 'thing-suspended' });
  });

  it('judges guests by what was known until they are confirmed, and ends those whom nobody confirms in 30 seconds', async () => {
    const one = await start({ sessions: true });
    const [first, second] = [await guestOf(one, pump), await guestOf(one, lamp)];
    const changes: Change[] = [];
    one.gate.follow(async (change) => {
      changes.push(change);
      return [first, second].filter((guest) => one.gate.standing(guest)).length;
    });
    // Everything is read again, and about holders nobody answers.
    script.failing.set('/v1/edge/principals', 503);
    script.failing.set('/v1/edge/stream', 410);
    script.cut();
    await until('the gap', () => errors.some((error) => error.includes('410')));
    const position = script.say({ type: 'thing', thingId, thingName: 'lamp', gen: 2, minGen: 2, status: 'x' }, false);
    script.failing.delete('/v1/edge/stream');
    await until('the snapshot', () => one.cursor() === script.cursor(position));
    await until('its receipt', () => receipts().some(({ cursor }) => cursor === script.cursor(position)));
    expect(changes).toMatchObject([{ everything: true }]);
    expect([one.gate.standing(first), one.gate.standing(second)]).toEqual([undefined, undefined]);
    expect(one.gate.judge(first, { action: 'connect', resource: 'client:pump' }).allowed).toBe(true);
    expect(await one.gate.identify({ fingerprint: pump, withoutCertificates: false })).toMatchObject({
      barred: 'away',
    });
    expect(receipts().at(-1)!['enforced']).not.toBe(script.cursor(position));
    for (let passed = 0; passed < 30_000; passed += 10_000) {
      expect(one.gate.standing(first)).toBeUndefined();
      pass(10_000);
      script.head();
      await until('a head', () => one.trust() === 'live');
    }
    expect(one.gate.standing(first)).toMatchObject({ barred: 'away' });
    await until('their end', () => receipts().some(({ enforced }) => enforced === script.cursor(position)));
    expect(receipts().reduce((sum, { sessionsClosed }) => sum + Number(sessionsClosed ?? 0), 0)).toBeGreaterThan(0);

    // Somebody answers again: those who are there are confirmed, and those who are gone are not.
    script.failing.clear();
    script.holders.delete(lamp);
    await until('the answer', () => one.gate.standing(second)?.barred === 'unknown-principal');
    await until('the other', () => one.gate.standing(first) === undefined);
  });

  it('is away when nobody answers, and refused when the answer is 401 or 403', async () => {
    const one = await start();
    const guest = await guestOf(one, pump);
    for (const status of [429, 500, 503]) {
      script.failing.set('/v1/edge/principals', status);
      expect(await one.gate.identify({ fingerprint: 'd'.repeat(64), withoutCertificates: false })).toMatchObject({
        barred: 'away',
        detail: expect.stringContaining(`answered ${status}`),
      });
      expect(one.trust()).toBe('live');
    }
    // That a key may not report is no word about who may be here.
    script.failing.set('/v1/proxies/proxy-1/applied', 403);
    script.say({ type: 'key', id: 'k', status: 'deleted' });
    await until('the receipt', () => errors.some((error) => error.includes('answered 403')));
    expect(one.trust()).toBe('live');
    for (const status of [401, 403]) {
      script.failing.set('/v1/edge/principals', status);
      expect(await one.gate.identify({ fingerprint: 'd'.repeat(64), withoutCertificates: false })).toMatchObject({
        barred: 'refused',
      });
      expect([one.trust(), one.gate.standing(guest)?.barred]).toEqual(['refused', 'refused']);
      expect(one.gate.judge(guest, { action: 'connect', resource: 'client:pump' }).allowed).toBe(false);
      script.head();
      await until('a head', () => one.trust() === 'live');
    }
  });

  it('does not trust a head for longer than it is old', async () => {
    const one = await start();
    pass(10 * 60_000);
    expect(one.trust()).toBe('dark');
    script.pass(-9 * 60_000);
    script.head();
    // Entries come in order: when this one is applied, the head was too.
    script.say({ type: 'key', id: 'k', status: 'deleted' });
    await until('the head', () => one.cursor() === script.cursor());
    expect(one.trust()).toBe('dark');
    pass(5 * 60_000 + 59_999);
    expect(one.trust()).toBe('dark');
    pass(60_001);
    expect(one.trust()).toBe('spent');
  });

  it('takes up its state, entries and holders of after the snapshot too', async () => {
    const one = await start();
    await guestOf(one, pump);
    pass(10_000);
    script.head();
    // Written once by now: what follows is added to it.
    await new Promise((resolve) => setTimeout(resolve, 600));
    await guestOf(one, lamp);
    script.say({ type: 'thing', thingId, thingName: 'pump', gen: 2, minGen: 2, status: 'suspended' });
    script.say({ type: 'policy', name: 'p', version: 2, document: { name: 'p', statements: [] } });
    await until('the policy', () => one.cursor() === script.cursor());
    await one.close();
    script.isAway = true;
    const two = await start();
    expect([two.trust(), two.cursor()]).toEqual(['dark', script.cursor()]);
    expect(two.gate.identify({ fingerprint: pump, withoutCertificates: false })).toMatchObject({
      barred: 'thing-suspended',
    });
    const guest = await guestOf(two, lamp);
    expect(two.gate.judge(guest, { action: 'connect', resource: 'client:lamp' })).toMatchObject({
      allowed: false,
      refusal: 'no-matching-statement',
    });
  });

  it('rejects where there is nothing to decide by, and says why', async () => {
    script.failing.set('/v1/edge/snapshot', 401);
    await expect(start()).rejects.toThrow('/v1/edge/snapshot answered 401: it is 401');
    script.failing.clear();
    script.failing.set('/v1/proxies', 409);
    await expect(start()).rejects.toThrow('/v1/proxies answered 409');
  });
});
