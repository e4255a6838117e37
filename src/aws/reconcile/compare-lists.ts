import { removeCertificate, removePolicy, removeThing } from './cleanup.js';
import { mend, mendUnseen, pagesOf, type Comparison } from './comparison.js';
import type { AwsThing } from '../client/iot-registry.js';
import { normalDocument, textDigest } from '../mirror/policy-steps.js';
import type { Known } from './store.js';
import { digestOf, ownerAttribute, policyPrefix } from '../mirror/thing-shape.js';

/** Compares each thing of AWS with the registry, and looks for those that AWS lacks. */
export async function compareThings(comparison: Comparison): Promise<void> {
  const { run, store, iot, advance } = comparison;
  const prefix = `${run.account}/`;
  for await (const items of pagesOf(iot.listThings)) {
    const ours = items.filter(({ attributes }) => attributes[ownerAttribute]?.startsWith(prefix));
    const idOf = ({ attributes }: (typeof ours)[0]) => attributes[ownerAttribute]!.slice(prefix.length);
    const known = new Map((await store.seeThings(run, ours.map(idOf))).map((each) => [each.subject, each]));
    for (const thing of ours) await compareThing(comparison, thing, known.get(idOf(thing)));
    await advance(items.length, items.length - ours.length);
  }
  await mendUnseen(comparison, 'missing-thing', 'thing');
}

async function compareThing(comparison: Comparison, thing: AwsThing, wanted: Known | undefined): Promise<void> {
  const { run, iot, report } = comparison;
  // A saga at work will see to it itself.
  if (wanted && !wanted.isIdle) return;
  // A copy of a thing under another name is not Thingward's either.
  if (!wanted || wanted.wanted === 'deleted' || wanted.name !== thing.name) {
    report([{ kind: 'orphan-thing', subject: thing.name }]);
    if (!run.dryRun) await removeThing(iot, thing.name);
  } else if (wanted.wanted !== digestOf(thing)) {
    await mend(comparison, 'changed-thing', [{ ...wanted, subject: thing.name }]);
  }
}

/** Compares the status of each certificate of AWS with the registry. */
export async function compareCertificates(comparison: Comparison): Promise<void> {
  const { run, store, iot, report, advance } = comparison;
  for await (const items of pagesOf(iot.listCertificates)) {
    const known = new Map(
      (
        await store.seeCertificates(
          run,
          items.map(({ id }) => id),
        )
      ).map((each) => [each.subject, each]),
    );
    const unknown = items.filter(({ id }) => !known.has(id));
    const orphans = await store.ownFingerprints(
      run,
      unknown.map(({ id }) => id),
    );
    for (const { id, status } of items) {
      const wanted = known.get(id);
      if (wanted?.isIdle && wanted.wanted !== status)
        await mend(comparison, 'wrong-status', [{ ...wanted, detail: `${status} instead of ${wanted.wanted}` }]);
    }
    for (const { id, arn } of unknown.filter((each) => orphans.includes(each.id))) {
      report([{ kind: 'orphan-certificate', subject: id }]);
      if (!run.dryRun) await removeCertificate(iot, id, arn);
    }
    await advance(items.length, unknown.length - orphans.length);
  }
  await mendUnseen(comparison, 'missing-certificate', 'certificate:%');
}

/** Compares the documents of policies. */
export async function comparePolicies(comparison: Comparison): Promise<void> {
  const { run, store, iot, advance } = comparison;
  for await (const items of pagesOf(iot.listPolicies)) {
    const ours = items.filter((name) => name.startsWith(policyPrefix));
    const nameOf = (awsName: string) => awsName.slice(policyPrefix.length);
    const known = new Map((await store.seePolicies(run, ours.map(nameOf))).map((each) => [each.subject, each]));
    for (const awsName of ours) await comparePolicy(comparison, awsName, known.get(nameOf(awsName)));
    await advance(items.length, items.length - ours.length);
  }
  await mendUnseen(comparison, 'missing-policy', 'document');
}

async function comparePolicy(comparison: Comparison, awsName: string, wanted: Known | undefined): Promise<void> {
  const { run, iot, report } = comparison;
  if (wanted && !wanted.isIdle) return;
  if (!wanted) {
    report([{ kind: 'orphan-policy', subject: awsName }]);
    if (!run.dryRun) await removePolicy(iot, awsName);
    return;
  }
  const text = await iot.getPolicy(awsName);
  if (text !== undefined && textDigest(normalDocument(text)) !== wanted.wanted)
    await mend(comparison, 'changed-policy', [wanted]);
}

/** Compares the members of the thing group with the registry. */
export async function compareGroup(comparison: Comparison): Promise<void> {
  const { run, store, iot, thingGroup, advance } = comparison;
  for await (const items of pagesOf((token) => iot.listGroup(thingGroup, token))) {
    await store.seeMembers(run, items);
    await advance(items.length);
  }
  await mendUnseen(comparison, 'missing-membership', 'group');
}
