import type { IotRegistry } from '../client/iot-registry.js';

/** Takes a thing of Thingward out of AWS: the registry no longer knows it. */
export async function removeThing(iot: IotRegistry, name: string): Promise<void> {
  for (const principal of (await iot.listPrincipals(name)) ?? []) await iot.detachPrincipal(name, principal);
  await iot.deleteThing(name);
}

/** Takes a certificate of Thingward out of AWS. */
export async function removeCertificate(iot: IotRegistry, id: string, arn: string): Promise<void> {
  await iot.updateCertificate(id, 'INACTIVE');
  for (const policy of (await iot.listAttachedPolicies(arn)) ?? []) await iot.detachPolicy(policy, arn);
  for (const thing of (await iot.listThingsOf(arn)) ?? []) await iot.detachPrincipal(thing, arn);
  await iot.deleteCertificate(id);
}

/** Takes a policy of Thingward out of AWS, from everything that it is attached to. */
export async function removePolicy(iot: IotRegistry, name: string): Promise<void> {
  for (const target of (await iot.listTargets(name)) ?? []) await iot.detachPolicy(name, target);
  for (const version of await iot.listIdleVersions(name)) await iot.deletePolicyVersion(name, version);
  await iot.deletePolicy(name);
}
