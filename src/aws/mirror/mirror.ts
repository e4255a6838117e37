import { randomInt } from 'node:crypto';
import { addSeconds, rfc3339, type Clock } from '../../clock.js';
import { encodeCertificate } from '../../pki/pem.js';
import type { Claims } from '../runs/claims.js';
import { AwsFailure } from '../client/failure.js';
import type { IotRegistry } from '../client/iot-registry.js';
import { planThing, type PlannedStep } from './plan.js';
import { documentText, exportPolicy, putPolicy, textDigest } from './policy-steps.js';
import type { ClaimedSaga, SagaStore, StepResult, StoredStep } from './saga-store.js';
import type { Mirror, SettingsStore } from '../settings-store.js';
import { stepOf } from './step.js';
import { awsPolicyName } from './thing-shape.js';
import { runThingStep } from './thing-steps.js';

/** A mirror that is on, and the AWS account behind it. */
export type OpenMirror = { settings: Mirror; iot: IotRegistry };

type Deps = {
  store: SagaStore;
  settings: Pick<SettingsStore, 'block' | 'unblock' | 'takeProbes'>;
  rates: { holdBack(account: string, call: string, until: Date): Promise<void> };
  /** Undefined when the mirror is off. */
  open(account: string): Promise<OpenMirror | undefined>;
  clock: Clock;
  claims: Claims;
  onError(error: unknown): void;
  /** How many sagas of one account run side by side. */
  concurrency: number;
};

const probeSeconds = 300;
const longestBackoffSeconds = 300;
// Reads may be too early this often before what was done is doubted.
const patience = 3;

/** The claim is another's by now, or more is wanted: whoever comes next begins again. */
class Outdated extends Error {}

/**
 * Carries things and policies to AWS, one persisted step at a time. Everything that waits, waits in the database:
 * any instance resumes what another left.
 */
export function createMirror({ store, settings, rates, open, clock, claims, onError, concurrency }: Deps) {
  const busy = new Map<string, Promise<void>>();
  const counts = { done: 0, failed: 0 };
  let closing = false;

  const runSteps = async (
    saga: ClaimedSaga,
    steps: PlannedStep[],
    stored: StoredStep[],
    run: (step: PlannedStep, before: StoredStep | undefined) => Promise<StepResult | undefined>,
  ): Promise<void> => {
    const byStep = new Map(stored.map((step) => [step.step, step]));
    await store.writePlan(saga, [...new Map(steps.map((step) => [step.step, step])).values()]);
    for (const step of steps) {
      const before = byStep.get(step.step);
      if (before?.reached === step.wanted) continue;
      if (closing) throw new Outdated();
      const result = await run(step, before);
      const at = clock();
      const newest = await store.reach(saga, step, result, at);
      byStep.set(step.step, { ...step, reached: step.wanted, result: result ?? before?.result ?? null, reachedAt: at });
      if (newest !== saga.change) throw new Outdated();
    }
  };

  const mirrorThing = async (saga: ClaimedSaga, { iot, settings: mirror }: OpenMirror): Promise<void> => {
    const { thing, steps: stored } = await store.loadThing(saga);
    const begun = new Map(stored.map(({ step, reached }) => [step, reached]));
    const retentionMs = mirror.retentionDays * 86_400_000;
    const plan = planThing(thing, {
      thingGroup: mirror.thingGroup,
      retentionMs,
      begun,
      at: clock(),
      keepsPolicies: saga.keepsPolicies,
    });
    const results = new Map(stored.map(({ step, result }) => [step, result]));
    await runSteps(saga, plan.steps, stored, async (step, before) => {
      const result = await runThingStep(step, {
        iot,
        thing,
        before,
        attempts: saga.attempts,
        adopted: saga.adopted,
        withCa: mirror.mode === 'register-with-ca',
        resultOf: (fingerprint) => results.get(stepOf('certificate', fingerprint)) ?? undefined,
        async certificate(fingerprint) {
          const { der, issuerDer } = await store.certificate(fingerprint);
          return {
            pem: encodeCertificate(der),
            issuerPem: issuerDer.length > 0 ? encodeCertificate(issuerDer) : undefined,
          };
        },
        denying: () => store.denyingPolicies(saga.account),
      });
      if (result) results.set(step.step, result);
      return result;
    });
    await store.finish(saga, plan.nextAt, thing.deleted && plan.nextAt === undefined);
  };

  const mirrorPolicy = async (saga: ClaimedSaga, { iot, settings: mirror }: OpenMirror): Promise<void> => {
    const { document } = await store.activePolicy(saga.account, saga.policy!);
    const exported = exportPolicy(document, saga.account, mirror);
    const text = documentText(exported);
    const steps: PlannedStep[] = [{ step: 'document', wanted: textDigest(text) }];
    await runSteps(saga, steps, await store.loadSteps(saga), async () => {
      await putPolicy(iot, awsPolicyName(saga.policy!), text);
      return undefined;
    });
    if (exported.document) return store.finish(saga, undefined, false);
    const why = exported.refusals.map(({ message }) => message).join('; ');
    await store.fail(
      saga,
      `AWS denies everything that this policy would allow, because AWS cannot express it: ${why}`,
      undefined,
    );
  };

  /** True when AWS has what was wanted. */
  const run = async (saga: ClaimedSaga): Promise<boolean> => {
    try {
      const mirror = await open(saga.account);
      if (!mirror) {
        await store.defer(saga, addSeconds(clock(), 1), null);
        return false;
      }
      await (saga.thingId === null ? mirrorPolicy(saga, mirror) : mirrorThing(saga, mirror));
      counts.done++;
      return true;
    } catch (error) {
      counts.failed++;
      await settle(saga, error);
      return false;
    }
  };

  /** What a failure means for the saga. */
  const settle = async (saga: ClaimedSaga, error: unknown): Promise<void> => {
    const at = clock();
    if (error instanceof Outdated) return store.defer(saga, at, null);
    if (!(error instanceof AwsFailure)) {
      onError(error);
      return store.defer(saga, backoff(saga, at), 'something failed in Thingward, not in AWS: the log has the reason');
    }
    const { kind, call, message } = error;
    if (kind === 'account') {
      const until = addSeconds(at, probeSeconds);
      await settings.block(saga.account, { call, reason: message, since: rfc3339(at) }, until);
      return store.fail(saga, message, until);
    }
    if (kind === 'permanent') return store.fail(saga, message, undefined);
    if (kind === 'throttled') await rates.holdBack(saga.account, call, addSeconds(at, 1));
    if (kind === 'not-found' && saga.thingId !== null && saga.attempts >= patience) {
      const { thing } = await store.loadThing(saga);
      const failed = await store.failedPolicy(saga.account, thing.policies);
      if (failed !== undefined && call === 'AttachPolicy') return store.fail(saga, failed, undefined);
      await store.doubt(saga, thing.policies);
    }
    await store.defer(saga, backoff(saga, at), message);
  };

  const work = async (account: string): Promise<void> => {
    const worker = async (): Promise<void> => {
      while (!closing) {
        const at = clock();
        const saga = await store.claim(account, at, claims.until());
        if (!saga) return;
        await run(saga);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  };

  const probe = async (): Promise<void> => {
    const at = clock();
    for (const account of await settings.takeProbes(at, addSeconds(at, probeSeconds))) {
      const saga = await store.claim(account, at, claims.until(), { probing: true });
      if (saga && (await run(saga))) await settings.unblock(account);
    }
  };

  return {
    /** Runs of sagas that ended well and that did not, since the start. */
    counts,

    /** Begins whatever is due, of every account that is not being worked at. Called every moment. */
    async tick(): Promise<void> {
      if (closing) return;
      await claims.hold(probe);
      for (const account of await store.accountsDue(clock())) {
        if (busy.has(account)) continue;
        const working = claims
          .hold(() => work(account))
          .catch(onError)
          .finally(() => busy.delete(account));
        busy.set(account, working);
      }
    },

    /** Resolves when nothing is being worked at. */
    async settled(): Promise<void> {
      while (busy.size > 0) await Promise.all(busy.values());
    },

    async close(): Promise<void> {
      closing = true;
      await Promise.allSettled(busy.values());
    },
  };
}

/** Twice as long with every attempt, give or take, so that many do not come back together. */
function backoff({ attempts }: ClaimedSaga, at: Date): Date {
  const ms = Math.min(longestBackoffSeconds, 2 ** Math.min(attempts, 20)) * 1000;
  return new Date(at.getTime() + ms / 2 + randomInt(ms / 2));
}
