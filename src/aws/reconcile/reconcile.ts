import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { DomainError } from '../../errors.js';
import { systemOrigin, type Origin } from '../../origin.js';
import { createBackground } from '../runs/background.js';
import type { Claims } from '../runs/claims.js';
import { compareAttachments } from './compare-attachments.js';
import { compareCertificates, compareGroup, comparePolicies, compareThings } from './compare-lists.js';
import type { Comparison } from './comparison.js';
import type { OpenMirror } from '../mirror/mirror.js';
import { retrying } from '../client/retrying.js';
import { mostFindings, phases, type Finding, type Phase, type Reconciliation, type ReconcileStore } from './store.js';

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
  const compare = async (run: Reconciliation): Promise<void> => {
    const mirror = await open(run.account);
    if (!mirror) return store.finish(run, 'failed', 'the mirror was switched off', clock());
    const iot = retrying(mirror.iot, pause);
    const comparison: Comparison = {
      run,
      store,
      iot,
      thingGroup: mirror.settings.thingGroup,
      report: (findings) => findings.forEach((finding) => note(run, finding)),
      async advance(count, foreign = 0) {
        run.progress[run.phase] = (run.progress[run.phase] ?? 0) + count;
        if (foreign > 0) run.progress.foreign = (run.progress.foreign ?? 0) + foreign;
        background.requireMore(await store.save(run));
      },
    };
    for (const phase of phases.slice(phases.indexOf(run.phase))) {
      run.phase = phase;
      run.progress[phase] = 0;
      await compareBy[phase](comparison);
    }
    await store.finish(run, 'done', null, clock());
  };

  const background = createBackground<Reconciliation>({
    claims,
    onError,
    work: compare,
    claim: (until) => store.claim(clock(), until),
    fail: (run, reason) => store.finish(run, 'failed', reason, clock()),
  });

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

    /** Begins what the timers ask for, and resumes whatever is unclaimed. Called now and then. */
    async tick(): Promise<void> {
      for (const account of await store.accountsDue(clock())) await start(account, false, systemOrigin);
      await background.tick();
    },

    settled: background.settled,
    close: background.close,
  };
}

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
