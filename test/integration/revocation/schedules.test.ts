import { randomBytes } from 'node:crypto';
import 'reflect-metadata';
import { X509Crl } from '@peculiar/x509';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitmapOf, isSet } from '../../../src/compact/bits.js';
import { systemClock } from '../../../src/clock.js';
import { beginEpoch } from '../../../src/log/append.js';
import { systemOrigin } from '../../../src/origin.js';
import { createSealer } from '../../../src/sealing.js';
import { issuerOf, serialOf } from '../../support/pki/crl.js';
import { enroll, provision } from '../../support/fleet.js';
import { ocspRequest, ocspStatus } from '../../support/pki/ocsp.js';
import { createGate, createInstances } from '../../support/schedules.js';
import { startServer, type TestServer } from '../../support/server.js';

// The long form: npm run schedules
const runs = Number(process.env['SCHEDULES'] ?? 10);

/** Whether an answer names a certificate; undefined when it does not say. */
type Says = (serial: string) => boolean | undefined;

type Instance = Awaited<ReturnType<typeof createInstances>>[0];

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant('list' as const) },
  { weight: 4, arbitrary: fc.constant('revoke' as const) },
  { weight: 2, arbitrary: fc.constant('configure' as const) },
  ...(['delta', 'root', 'ocsp', 'compact', 'page', 'snapshot', 'hold', 'lease', 'epoch', 'refresh'] as const).map(
    (each) => ({ weight: 1, arbitrary: fc.constant(each) }),
  ),
);
const client = fc.array(step, { minLength: 2, maxLength: 5 });

describe('every schedule of lists, OCSP, feed and snapshot against revocations, settings, leases and evictions', () => {
  let server: TestServer;
  let token: string;
  let issuingPem: string;
  const key = randomBytes(32);

  beforeAll(async () => {
    server = await startServer('embedded', { THINGWARD_KEY: key.toString('base64') });
    token = (await enroll(server, { maxUses: 1_000_000 })).token;
    const chain = (await server.as(undefined).get('/ca/chain.pem')).text;
    issuingPem = chain.slice(0, chain.indexOf('-----END') + 27);
  });
  afterAll(() => server.stop());

  /** What every answer must say: from an acknowledgement until the next change of the same certificate begins. */
  function createTruth() {
    const states = new Map<string, { state: 'in' | 'out' | 'open'; version: number }>();
    const set = (serial: string, state: 'in' | 'out' | 'open') =>
      states.set(serial, { state, version: (states.get(serial)?.version ?? 0) + 1 });
    return {
      async change(serial: string, state: 'in' | 'out', work: () => Promise<unknown>): Promise<void> {
        set(serial, 'open');
        await work();
        set(serial, state);
      },
      /** Call when a request begins; call what it returns with what the answer holds. */
      begin() {
        const before = new Map(states);
        return (holds: Says, what: string): void => {
          for (const [serial, { state, version }] of before) {
            const said = holds(serial);
            if (said === undefined || state === 'open' || states.get(serial)!.version !== version) continue;
            expect(`${what}: ${serial} ${said ? 'in' : 'out'}`).toBe(`${what}: ${serial} ${state}`);
          }
        };
      },
    };
  }

  const readList = (der: Buffer): { number: bigint; serials: Set<string> } => {
    const crl = new X509Crl(der);
    const number = crl.extensions.find(({ type }) => type === '2.5.29.20')!;
    const serials = crl.entries.map(({ serialNumber }) =>
      serialNumber.toLowerCase().replace(/^00/, '').padStart(40, '0'),
    );
    return { number: BigInt(`0x${Buffer.from(number.value).subarray(2).toString('hex')}`), serials: new Set(serials) };
  };

  it('an answer holds what was acknowledged before its request, numbers only rise, and nobody answers without a lease', async () => {
    const gate = createGate();
    const seen = { schedules: 0, answers: 0, refused: 0 };
    const oneRun = async (scheduler: fc.Scheduler, scripts: string[][]) => {
      const truth = createTruth();
      const devices = await Promise.all(
        Array.from({ length: 6 }, () => provision(server, token, `s-${randomBytes(8).toString('hex')}`)),
      );
      const issuer = issuerOf(devices[0]!);
      const [held, superseded, ...fresh] = devices.map(serialOf) as [string, string, ...string[]];
      await server.owner.send('PATCH', `/v1/issuers/${issuer}`, { deltaList: true, listSuperseded: false });
      await server.owner.post(`/v1/certificates/${superseded}/revoke`, { reason: 'superseded' });
      const errors: unknown[] = [];
      const instances = await createInstances(2, {
        db: gate.guard(server.database.client),
        sealer: createSealer(key),
        clock: systemClock,
        mostLists: 1,
        onError: (error) => {
          if ((error as { code?: string }).code !== 'not-ready') errors.push(error);
        },
      });
      const root = (await instances[0]!.issuers.list('default')).find(({ kind }) => kind === 'root')!.id;
      await truth.change(superseded, 'out', async () => {});
      const highest = new Map<string, bigint>();
      let serial = 0;
      let [isHeld, listSuperseded] = [false, false];

      /** One request: what it must hold is noted when it begins, and judged when it is answered. */
      const ask = async (at: Instance, what: string, work: () => Promise<Says>): Promise<void> => {
        const judge = truth.begin();
        try {
          const holds = await work();
          expect(at.lease.held || what === 'feed', `${what} without a lease`).toBe(true);
          judge(holds, what);
          seen.answers++;
        } catch (error) {
          if ((error as { code?: string }).code !== 'not-ready') throw error;
          seen.refused++;
        }
      };
      const askList = (at: Instance): Promise<void> => {
        const least = highest.get('complete') ?? 0n;
        return ask(at, 'list', async () => {
          const { number, serials } = readList((await at.publisher.crl(issuer)).der);
          expect(number, 'numbers only rise').toBeGreaterThanOrEqual(least);
          if (number > (highest.get('complete') ?? 0n)) highest.set('complete', number);
          return (each) => serials.has(each);
        });
      };

      const steps: Record<string, (at: Instance, script: number) => Promise<unknown>> = {
        list: askList,
        // It names no device: it is asked for so that it evicts the other.
        root: async (at) => void (await at.publisher.crl(root).catch(ignoreLease)),
        delta: async (at) => {
          const least = highest.get('delta') ?? 0n;
          const der = await at.publisher.delta(issuer).catch(ignoreLease);
          if (!der) return;
          const { number } = readList(der.der);
          expect(number).toBeGreaterThanOrEqual(least);
          if (number > (highest.get('delta') ?? 0n)) highest.set('delta', number);
        },
        revoke: async (at) => {
          const next = fresh[serial++ % fresh.length]!;
          if (serial > fresh.length) return askList(at);
          const revoke = () => at.revoking.revokeCertificate('default', next, 'keyCompromise', systemOrigin);
          return truth.change(next, 'in', revoke);
        },
        hold: async (at, script) => {
          if (script !== 1) return askList(at);
          const wasHeld = isHeld;
          isHeld = !wasHeld;
          return truth.change(held, wasHeld ? 'out' : 'in', () =>
            wasHeld
              ? at.revoking.releaseCertificate('default', held, systemOrigin)
              : at.revoking.revokeCertificate('default', held, 'certificateHold', systemOrigin),
          );
        },
        configure: async (at, script) => {
          if (script !== 0) return at.issuers.configure('default', issuer, { deltaList: true }, systemOrigin);
          listSuperseded = !listSuperseded;
          const settings = { listSuperseded };
          return truth.change(superseded, listSuperseded ? 'in' : 'out', () =>
            at.issuers.configure('default', issuer, settings, systemOrigin),
          );
        },
        ocsp: (at) =>
          ask(at, 'ocsp', async () => {
            const answers = new Map<string, boolean>();
            for (const each of [held, superseded, ...fresh]) {
              const request = ocspRequest(issuingPem, each);
              const name = request.toString('latin1');
              const { der } = at.responder.recall(name) ?? (await at.responder.answer(request, name));
              answers.set(each, ocspStatus(der) === 'revoked');
            }
            return (each) => answers.get(each) ?? false;
          }),
        compact: (at) =>
          ask(at, 'compact', async () => {
            const contents = await at.publisher.contents(issuer, (list) => ({
              entries: list.entries.indices(),
              position: list.position(),
            }));
            const size = contents.entries.reduce((most, index) => Math.max(most, index + 1), 0);
            const bits = bitmapOf(contents.entries, size);
            let made = bits.next();
            while (!made.done) made = bits.next();
            await at.compactLists.gaps(issuer);
            return (each) => isSet(made.value, indexOf.get(each)!);
          }),
        page: (at) =>
          ask(at, 'feed', async () => {
            const { entries, position } = await at.feed.page('default', start, 1000);
            expect(position).toBeGreaterThanOrEqual(entries.at(-1)?.position ?? 0);
            const last = new Map(
              entries.flatMap(({ type, payload }) =>
                'serialNumber' in payload ? [[payload.serialNumber, type] as const] : [],
              ),
            );
            return (each) => (last.has(each) ? last.get(each) === 'certificate' : wasOut(each));
          }),
        snapshot: (at) =>
          ask(at, 'feed', async () => {
            const { certificates } = await at.feed.snapshot('default', systemClock());
            const there = new Set<string>();
            for await (const page of certificates) for (const { serialNumber } of page) there.add(serialNumber);
            return (each) => (each === superseded ? undefined : there.has(each));
          }),
        lease: async (at) => {
          await at.lose();
          await gate.pass('the lease', async () => {});
          await at.regain();
        },
        epoch: () => gate.pass('a new epoch', () => server.database.client.$transaction(beginEpoch)),
        refresh: (at) => at.publisher.refresh(),
      };
      // What no entry names has not changed since the start, when nothing but the superseded one was revoked.
      const wasOut = (each: string): boolean | undefined => (each === superseded ? undefined : false);
      const ignoreLease = (error: unknown): undefined => {
        if ((error as { code?: string }).code !== 'not-ready') throw error;
        return undefined;
      };
      const rows = await server.database.client.certificate.findMany({
        where: { serialNumber: { in: [held, superseded, ...fresh] } },
        select: { serialNumber: true, issuerIndex: true },
      });
      const indexOf = new Map(rows.map(({ serialNumber, issuerIndex }) => [serialNumber, Number(issuerIndex)]));
      const start = instances[0]!.log.position();

      await gate.run(scheduler, () =>
        Promise.all(
          scripts.map(async (script, n) => {
            for (const each of script) await steps[each]!(instances[n % instances.length]!, n);
          }),
        ),
      );
      // Everything is acknowledged: both instances say all of it, by the same list, and are ready.
      for (const at of instances) {
        await at.log.catchUp();
        await askList(at);
        await steps['ocsp']!(at, 0);
        at.publisher.requireHealthy();
      }
      const [a, b] = await Promise.all(instances.map((at) => at.publisher.crl(issuer)));
      expect(a!.der.equals(b!.der)).toBe(true);
      expect(errors).toEqual([]);
      seen.schedules++;
    };

    await fc.assert(fc.asyncProperty(fc.scheduler(), fc.array(client, { minLength: 3, maxLength: 4 }), oneRun), {
      numRuns: runs,
      endOnFailure: true,
    });
    console.log(`schedules: ${JSON.stringify({ ...seen, calls: gate.calls() })}`);
    expect(seen.answers).toBeGreaterThan(runs);
  }, 1_200_000);
});
