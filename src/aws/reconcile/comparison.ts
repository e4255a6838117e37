import type { AwsPage, IotRegistry } from '../client/iot-registry.js';
import type { Finding, Known, Reconciliation, ReconcileStore } from './store.js';

const unseenAtOnce = 500;

/** What a phase works with. */
export type Comparison = {
  run: Reconciliation;
  store: ReconcileStore;
  iot: IotRegistry;
  thingGroup: string;
  /** Notes differences; returns only when AWS may be changed because of them. */
  report(findings: Finding[]): void;
  /** Notes what has been looked at. Throws when somebody else has it. */
  advance(count: number, foreign?: number): Promise<void>;
};

/** What no list named does not exist. */
export async function mendUnseen(comparison: Comparison, kind: Finding['kind'], steps: string): Promise<void> {
  const { run, store, advance } = comparison;
  for (;;) {
    const missing = await store.unseen(run, steps, unseenAtOnce);
    if (missing.length > 0) await mend(comparison, kind, missing);
    await advance(0);
    // What is mended is no longer settled; what is only reported would be found again.
    if (missing.length < unseenAtOnce || run.dryRun) return;
  }
}

/** Reports differences and has their sagas mend them. */
export async function mend(
  { run, store, report }: Comparison,
  kind: Finding['kind'],
  known: (Pick<Known, 'sagaId' | 'subject'> & { detail?: string })[],
): Promise<void> {
  report(known.map(({ subject, detail }) => ({ kind, subject, ...(detail === undefined ? {} : { detail }) })));
  const sagaIds = [...new Set(known.map(({ sagaId }) => sagaId))];
  await store.mend(run, sagaIds, `AWS was found to differ: ${kind}`);
}

/** The pages of a list. */
export async function* pagesOf<Item>(
  list: (token: string | undefined) => Promise<AwsPage<Item>>,
): AsyncGenerator<Item[]> {
  let token: string | undefined;
  do {
    const { items, next } = await list(token);
    yield items;
    token = next;
  } while (token !== undefined);
}
