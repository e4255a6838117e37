import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.js';
import { DomainError } from '../errors.js';
import { systemOrigin, type Origin } from '../origin.js';
import type { Claims } from './claims.js';
import { compareAttachments } from './compare-attachments.js';
import { compareCertificates, compareGroup, comparePolicies, compareThings } from './compare-lists.js';
import type { Comparison } from './comparison.js';
import { AwsFailure } from './failure.js';
import type { OpenMirror } from './mirror.js';
import { retrying } from './retrying.js';
import {
  mostFindings,
  phases,
  type Finding,
  type Phase,
  type Reconciliation,
  type ReconcileStore,
} from './reconcile-store.js';

type Deps = {
  store: ReconcileStore;
  open(account: string): Promise<OpenMirror | undefined>;
  clock: Clock;
  claims: Claims;
  pause(ms: number): Promise<void>;
  onError(error: unknown): void;
};

/** Compares AWS with the registry, list by list, a page at a time, and has sagas mend what differs. */
export function createReconciler({ store, open, clock, claims, pause, onError }: Deps) {
  let closing = false;
  let working: Promise<void> | undefined;

  const compare = async (run: Reconciliation): Promise<void> => {
    const mirror = await open(run.account);
    if (!mirror) return store.finish(run, 'failed', 'the mirror was switched off', clock());
    const iot = retrying(mirror.iot, pause);
    const comparison: Comparison = {
      ...{ run, store, iot, thingGroup: mirror.settings.thingGroup },
      report: (findings) => findings.forEach((finding) => note(run, finding)),
      async advance(count, foreign = 0) {
        run.progress[run.phase] = (run.progress[run.phase] ?? 0) + count;
        if (foreign > 0) run.progress.foreign = (run.progress.foreign ?? 0) + foreign;
        if (closing || !(await store.save(run))) throw new Stopped();
      },
    };
    for (const phase of phases.slice(phases.indexOf(run.phase))) {
      run.phase = phase;
      run.progress[phase] = 0;
      await compareBy[phase](comparison);
    }
    await store.finish(run, 'done', null, clock());
  };

  const work = async (): Promise<void> => {
    for (;;) {
      const at = clock();
      const run = closing ? undefined : await store.claim(at, claims.until());
      if (!run) return;
      await compare(run).catch(async (error: unknown) => {
        if (error instanceof Stopped) return;
        if (!(error instanceof AwsFailure)) onError(error);
        const reason =
          error instanceof AwsFailure ? error.message : 'something failed here, not in AWS: the log has it';
        await store.finish(run, 'failed', reason, clock());
      });
    }
  };

  const start = async (account: string, dryRun: boolean, origin: Origin): Promise<string | undefined> => {
    const id = randomUUID();
    return (await store.start({ id, account, dryRun, origin, at: clock() })) ? id : undefined;
  };

  return {
    /** Begins a comparison. @throws DomainError `conflict` while one is running */
    async start(account: string, dryRun: boolean, origin: Origin): Promise<Reconciliation> {
      const id = await start(account, dryRun, origin);
      if (id === undefined)
        throw new DomainError(
          'conflict',
          'a comparison with AWS is running: wait for it, GET /v1/aws/reconcile shows it',
        );
      return (await store.find(account, id))!;
    },

    async get(account: string, id: string): Promise<Reconciliation> {
      const run = await store.find(account, id);
      if (!run) throw new DomainError('not-found', `there is no comparison ${id}`);
      return run;
    },

    latest: store.latest,

    /** Begins what the timers ask for, and goes on with whatever nobody is at. Called now and then. */
    async tick(): Promise<void> {
      if (closing || working) return;
      for (const account of await store.accountsDue(clock())) await start(account, false, systemOrigin);
      working ??= claims
        .hold(work)
        .catch(onError)
        .finally(() => (working = undefined));
    },

    async settled(): Promise<void> {
      while (working) await working;
    },

    async close(): Promise<void> {
      closing = true;
      await working;
    },
  };
}

/** The server stops, or another instance is at it: whoever takes it up begins its phase again. */
class Stopped extends Error {}

function note({ findings, counts }: Reconciliation, finding: Finding): void {
  const { kind, subject } = finding;
  if (findings.some((known) => known.kind === kind && known.subject === subject)) return;
  counts[kind] = (counts[kind] ?? 0) + 1;
  if (findings.length < mostFindings) findings.push(finding);
}

const compareBy: Record<Phase, (comparison: Comparison) => Promise<void>> = {
  things: compareThings,
  certificates: compareCertificates,
  policies: comparePolicies,
  groups: compareGroup,
  attachments: compareAttachments,
};
