import { mend, type Comparison } from './comparison.js';
import type { AttachedThing } from './store.js';
import { readStep } from '../mirror/step.js';
import { awsPolicyName } from '../mirror/thing-shape.js';

const atOnce = 100;
const beforeAll = '00000000-0000-0000-0000-000000000000';

/** Which certificates things are attached to, and which policies these have: asked thing by thing, AWS has no list of it. */
export async function compareAttachments(comparison: Comparison): Promise<void> {
  const { run, store, advance } = comparison;
  for (let after = beforeAll; ;) {
    const things = await store.attached(run, after, atOnce);
    for (const thing of things) {
      await comparePrincipals(comparison, thing);
      await comparePolicies(comparison, thing);
    }
    await advance(things.length);
    if (things.length < atOnce) return;
    after = things.at(-1)!.sagaId;
  }
}

async function comparePrincipals(comparison: Comparison, { sagaId, name, steps }: AttachedThing): Promise<void> {
  const { run, iot, report } = comparison;
  const present = (await iot.listPrincipals(name)) ?? [];
  const arns = arnsOf(steps);
  for (const { step, wanted } of steps.filter((each) => each.step.startsWith('principal:'))) {
    const arn = arns.get(readStep(step).fingerprint);
    const isThere = arn !== undefined && present.includes(arn);
    if (arn !== undefined && isThere !== (wanted === 'attached'))
      await mend(comparison, isThere ? 'extra-attachment' : 'missing-attachment', [{ sagaId, subject: name }]);
  }
  // Somebody else's certificate would be this thing to AWS, whatever the registry says.
  for (const principal of present.filter((arn) => ![...arns.values()].includes(arn))) {
    report([{ kind: 'extra-attachment', subject: name, detail: principal }]);
    if (!run.dryRun) await iot.detachPrincipal(name, principal);
  }
}

async function comparePolicies(comparison: Comparison, { sagaId, name, steps }: AttachedThing): Promise<void> {
  const arns = arnsOf(steps);
  for (const { step, wanted } of steps.filter((each) => each.step.startsWith('policies:'))) {
    const arn = arns.get(readStep(step).fingerprint);
    if (arn === undefined) continue;
    const present = ((await comparison.iot.listAttachedPolicies(arn)) ?? []).sort().join(',');
    const expected = wanted === '' ? '' : wanted.split(',').map(awsPolicyName).sort().join(',');
    if (present !== expected) {
      const detail = `${present || 'none'} instead of ${expected || 'none'}`;
      await mend(comparison, 'wrong-policies', [{ sagaId, subject: name, detail }]);
    }
  }
}

/** What AWS calls the certificates of a thing, by their fingerprints. */
function arnsOf(steps: AttachedThing['steps']): Map<string, string> {
  return new Map(
    steps.flatMap(({ step, result }) => {
      const { kind, fingerprint } = readStep(step);
      return kind === 'certificate' && result?.certificateArn ? [[fingerprint, result.certificateArn]] : [];
    }),
  );
}
