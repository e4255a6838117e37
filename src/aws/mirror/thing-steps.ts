import { X509Certificate } from 'node:crypto';
import { AwsFailure } from '../client/failure.js';
import type { AwsCertificateStatus, IotRegistry } from '../client/iot-registry.js';
import type { MirroredThing, PlannedStep } from './plan.js';
import type { StepResult, StoredStep } from './saga-store.js';
import { readStep } from './step.js';
import { awsPolicyName, digestOf, ownerAttribute, ownerOf, toAwsThing } from './thing-shape.js';

type Context = {
  iot: IotRegistry;
  thing: MirroredThing;
  /** The thing was in AWS before it was here. */
  adopted: boolean;
  /** Certificates are registered under the CA that issued them. */
  withCa: boolean;
  /** The step as it was stored before; undefined when no call of it was made yet. */
  before: StoredStep | undefined;
  /** How often the saga was tried without an end. */
  attempts: number;
  /** What the step that registered a certificate was told. */
  resultOf(fingerprint: string): StepResult | undefined;
  /** A certificate and its issuer's, which is not known of those that others issued. */
  certificate(fingerprint: string): Promise<{ pem: string; issuerPem: string | undefined }>;
  /** The policies of the account that deny something. */
  denying(): Promise<string[]>;
};

/**
 * Brings AWS to what one step wants. Safe to repeat, whether or not an earlier call of it had an effect.
 * @throws AwsFailure
 */
export async function runThingStep(planned: PlannedStep, context: Context): Promise<StepResult | undefined> {
  const { step, wanted } = planned;
  const { kind, fingerprint } = readStep(step);
  switch (kind) {
    case 'thing':
      return void (await (wanted === 'deleted' ? deleteThing(context) : putThing(context)));
    case 'certificate':
      return wanted === 'deleted'
        ? void (await deleteCertificate(context, fingerprint))
        : putCertificate(context, fingerprint, wanted as AwsCertificateStatus);
    case 'connection':
      return closeConnection(context);
    case 'policies':
      return void (await putPolicies(context, fingerprint, wanted === '' ? [] : wanted.split(',')));
    case 'principal':
      return void (await putPrincipal(context, fingerprint, wanted === 'attached'));
    case 'group':
      return void (await joinGroup(context, wanted));
    case 'document':
      throw new Error('a thing has no document');
  }
}

async function putThing({ iot, thing, before, adopted }: Context): Promise<void> {
  const wanted = toAwsThing(thing);
  if (before?.reached && before.reached !== 'deleted') return withType(iot, wanted.type, () => iot.updateThing(wanted));
  try {
    await withType(iot, wanted.type, () => iot.createThing(wanted));
  } catch (error) {
    if (!(error instanceof AwsFailure && error.kind === 'exists')) throw error;
    await compareThing({ iot, thing, adopted: adopted || Boolean(before?.reachedAt) }, error);
  }
}

/** Another configuration exists. Thingward's, from an earlier attempt, is brought up to date; anybody else's is left alone. */
async function compareThing(
  { iot, thing, adopted }: Pick<Context, 'iot' | 'thing' | 'adopted'>,
  exists: AwsFailure,
): Promise<void> {
  const wanted = toAwsThing(thing);
  const found = await iot.describeThing(thing.name);
  if (!found) throw new AwsFailure('transient', exists.call, `${exists.message}, but it is not visible yet`);
  const owner = found.attributes[ownerAttribute];
  if (owner === ownerOf(thing) || (owner === undefined && adopted)) {
    if (digestOf(found) !== digestOf(wanted)) await withType(iot, wanted.type, () => iot.updateThing(wanted));
    return;
  }
  if (owner?.startsWith(`${thing.account}/`))
    throw new AwsFailure(
      'conflict',
      exists.call,
      `the earlier thing ${thing.name} is still in AWS, and will be deleted there`,
    );
  throw new AwsFailure(
    'permanent',
    exists.call,
    `AWS has a thing ${thing.name} that Thingward did not make: import it with POST /v1/aws/import or delete it there, then retry`,
  );
}

/** Makes the thing type when that is what is missing. */
async function withType(iot: IotRegistry, type: string | undefined, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (type === undefined || !(error instanceof AwsFailure && error.kind === 'not-found')) throw error;
    await iot.createThingType(type).catch(ignoring('exists'));
    await work();
  }
}

async function deleteThing({ iot, thing }: Context): Promise<void> {
  const found = await iot.describeThing(thing.name);
  // A thing of another owner by that name is not Thingward's.
  if (!found || found.attributes[ownerAttribute] !== ownerOf(thing)) return;
  await iot.deleteThing(thing.name).catch((error: unknown) => {
    if (!(error instanceof AwsFailure)) throw error;
    if (error.kind === 'not-found') return;
    // Detaching takes effect some seconds later, and until then this is refused.
    throw error.kind === 'permanent' ? new AwsFailure('conflict', error.call, error.message) : error;
  });
}

async function putCertificate(
  context: Context,
  fingerprint: string,
  wanted: AwsCertificateStatus,
): Promise<StepResult> {
  const { iot, before, resultOf } = context;
  const known = resultOf(fingerprint);
  if (!before?.reached || !known?.certificateId) return registerCertificate(context, fingerprint, wanted);
  try {
    await iot.updateCertificate(known.certificateId, wanted);
    return known;
  } catch (error) {
    // What is missing cannot be used; what should be active has to exist.
    if (wanted !== 'ACTIVE' && error instanceof AwsFailure && error.kind === 'not-found') return known;
    throw error;
  }
}

async function registerCertificate(
  { iot, certificate, withCa, before }: Context,
  fingerprint: string,
  wanted: AwsCertificateStatus,
): Promise<StepResult> {
  const { pem, issuerPem } = await certificate(fingerprint);
  // Whether an earlier call had an effect is not known: what has to go is looked for, never registered.
  if (wanted !== 'ACTIVE' && before) {
    const found = await iot.describeCertificate(before.result?.certificateId ?? fingerprint);
    if (!found) return { certificateId: fingerprint };
    if (found.status !== wanted) await iot.updateCertificate(found.id, wanted);
    return { certificateId: found.id, certificateArn: found.arn };
  }
  try {
    const caPem = withCa ? issuerPem : undefined;
    if (caPem !== undefined) await iot.registerCa(caPem).catch(ignoring('exists'));
    const { id, arn } = await iot.registerCertificate(pem, wanted, caPem);
    return { certificateId: id, certificateArn: arn };
  } catch (error) {
    if (!(error instanceof AwsFailure && error.kind === 'exists')) throw error;
    return compareCertificate(iot, pem, error, error.resourceId ?? fingerprint, wanted);
  }
}

/** The certificate exists already: from a call whose answer was lost, if its bytes are the same. */
async function compareCertificate(
  iot: IotRegistry,
  pem: string,
  exists: AwsFailure,
  id: string,
  wanted: AwsCertificateStatus,
): Promise<StepResult> {
  const found = await iot.describeCertificate(id);
  if (!found) throw new AwsFailure('transient', exists.call, `${exists.message}, but it is not visible yet`);
  if (!new X509Certificate(found.pem).raw.equals(new X509Certificate(pem).raw))
    throw new AwsFailure('permanent', exists.call, `AWS has another certificate under the id ${id}: check it in AWS`);
  if (found.status !== wanted) await iot.updateCertificate(id, wanted);
  return { certificateId: id, certificateArn: found.arn };
}

// A connection is not tried more often than this: the rest of a revocation does not wait for it.
const connectionAttempts = 3;

/**
 * The connection of a device has the thing's name: the policies of the mirror let no other client id connect. Without the
 * permission, or where only the registry can be reached, AWS ends it by itself within minutes.
 */
async function closeConnection({ iot, thing, attempts }: Context): Promise<StepResult> {
  try {
    await iot.deleteConnection(thing.name);
    return {};
  } catch (error) {
    if (!(error instanceof AwsFailure)) throw error;
    const mayPass = error.kind !== 'account' && error.kind !== 'permanent';
    if (mayPass && attempts < connectionAttempts) throw error;
    return { refused: error.message };
  }
}

async function deleteCertificate({ iot, resultOf }: Context, fingerprint: string): Promise<void> {
  const id = resultOf(fingerprint)?.certificateId ?? fingerprint;
  try {
    await iot.deleteCertificate(id);
  } catch (error) {
    if (!(error instanceof AwsFailure) || error.kind === 'not-found') {
      if (error instanceof AwsFailure) return;
      throw error;
    }
    if (!error.message.includes('CertificateState')) throw error;
    await iot.updateCertificate(id, 'INACTIVE');
    throw new AwsFailure('conflict', error.call, error.message);
  }
}

/**
 * The policies of a certificate, in an order in which no deny is missing while something is allowed that it denies:
 * what only allows goes first, what denies comes before what allows, and denies that are over go last.
 */
async function putPolicies(context: Context, fingerprint: string, policies: string[]): Promise<void> {
  const { iot, before, adopted, resultOf, denying } = context;
  const arn = resultOf(fingerprint)?.certificateArn;
  // Without an ARN, AWS never had the certificate.
  if (arn === undefined) return;
  const wanted = policies.map(awsPolicyName);
  // Only for the first attempt for what Thingward made is it sure that nothing is attached.
  const attached = before || adopted ? ((await iot.listAttachedPolicies(arn)) ?? []) : [];
  const [over, missing] = [except(attached, wanted), except(wanted, attached)];
  const denies = attached.length > 0 && over.length + missing.length > 1 ? (await denying()).map(awsPolicyName) : [];
  for (const name of except(over, denies)) await iot.detachPolicy(name, arn);
  for (const name of [...within(missing, denies), ...except(missing, denies)]) await iot.attachPolicy(name, arn);
  for (const name of within(over, denies)) await iot.detachPolicy(name, arn);
}

const within = (names: string[], others: string[]) => names.filter((name) => others.includes(name));
const except = (names: string[], others: string[]) => names.filter((name) => !others.includes(name));

async function putPrincipal(
  { iot, thing, before, adopted, resultOf }: Context,
  fingerprint: string,
  attached: boolean,
): Promise<void> {
  const arn = resultOf(fingerprint)?.certificateArn;
  if (arn === undefined) return;
  // What was attached in another way stays so: AWS would refuse the second.
  if (adopted && attached && !before && (await iot.listPrincipals(thing.name))?.includes(arn)) return;
  await (attached ? iot.attachPrincipal(thing.name, arn) : iot.detachPrincipal(thing.name, arn));
}

async function joinGroup({ iot, thing }: Context, group: string): Promise<void> {
  try {
    await iot.addToGroup(group, thing.name);
  } catch (error) {
    if (!(error instanceof AwsFailure && error.kind === 'not-found')) throw error;
    await iot.createGroup(group).catch(ignoring('exists'));
    await iot.addToGroup(group, thing.name);
  }
}

const ignoring = (kind: AwsFailure['kind']) => (error: unknown) => {
  if (!(error instanceof AwsFailure && error.kind === kind)) throw error;
};
