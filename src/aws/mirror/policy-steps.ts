import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { denyEverything, exportToAws, type AwsExport } from '../../policy/aws/export.js';
import { awsThingName } from '../../policy/aws/resource.js';
import type { PolicyDocument } from '../../policy/document.js';
import { AwsFailure } from '../client/failure.js';
import type { IotRegistry } from '../client/iot-registry.js';

/** Where documents are to hold. */
type AwsPlace = { awsAccount: string; region: string };

// A policy has five versions at most, one of which is the active one.
const mostIdle = 4;

/** What AWS gets of a policy: sound, or refused. Without a place, in the words of every account and region. */
export function exportPolicy(document: PolicyDocument, account: string, place: AwsPlace | undefined): AwsExport {
  const names = { account, thingName: awsThingName, requireAttached: true };
  if (place) return exportToAws(document, { ...names, arn: arnPrefix(place) });
  const exported = exportToAws(document, names);
  const message = 'there is no mirror yet: * stands for the AWS account and the region';
  return { ...exported, warnings: [...exported.warnings, { message }] };
}

/** `arn:aws:iot:eu-central-1:123456789012`, in the partition that the region is in. */
export function arnPrefix({ awsAccount, region }: AwsPlace): string {
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
  return `arn:${partition}:iot:${region}:${awsAccount}`;
}

/** The text that AWS gets; where the policy is refused, one that denies everything, so that no older version stays. */
export const documentText = ({ document }: AwsExport): string => JSON.stringify(document ?? denyEverything());

/** A short text that is the same for the same document. */
export const textDigest = (text: string): string => hash('sha256', text).slice(0, 32);

/** A document without the spacing that it came with. */
export function normalDocument(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

/** Whether two documents say the same, however they are spaced. */
function isSameDocument(one: string, other: string): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(one), JSON.parse(other));
  } catch {
    return false;
  }
}

/**
 * Makes a document the active version of a policy in AWS, taking away the oldest version when there are five. Safe to
 * repeat. @throws AwsFailure
 */
export async function putPolicy(iot: IotRegistry, awsName: string, text: string): Promise<void> {
  const current = await iot.getPolicy(awsName);
  if (current !== undefined && isSameDocument(current, text)) return;
  if (current === undefined) return createPolicy(iot, awsName, text);
  const idle = await iot.listIdleVersions(awsName);
  for (const version of idle.slice(0, Math.max(0, idle.length - mostIdle + 1)))
    await iot.deletePolicyVersion(awsName, version);
  await iot.createPolicyVersion(awsName, text);
}

async function createPolicy(iot: IotRegistry, awsName: string, text: string): Promise<void> {
  try {
    await iot.createPolicy(awsName, text);
  } catch (error) {
    // From a call whose answer was lost, and not to be read yet: what it says is compared next time.
    if (error instanceof AwsFailure && error.kind === 'exists')
      throw new AwsFailure('transient', error.call, error.message);
    throw error;
  }
}
