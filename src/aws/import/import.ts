import { hash, randomUUID, X509Certificate } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { DomainError } from '../../errors.js';
import type { Origin } from '../../origin.js';
import { serialDigits } from '../../pki/serial-number.js';
import { importFromAws } from '../../policy/aws/import.js';
import type { PolicyDocument } from '../../policy/document.js';
import { attributeNameForm, thingNameForm, thingTypeForm } from '../../shapes.js';
import { createBackground } from '../runs/background.js';
import type { Claims } from '../runs/claims.js';
import { pagesOf } from '../reconcile/comparison.js';
import {
  mostItems,
  type ImportedItem,
  type ImportRun,
  type ImportStore,
  type NewCertificate,
  type NewThing,
} from './store.js';
import type { AwsThing, IotRegistry } from '../client/iot-registry.js';
import type { OpenMirror } from '../mirror/mirror.js';
import { retrying } from '../client/retrying.js';
import { ownerAttribute, policyPrefix } from '../mirror/thing-shape.js';

type Deps = {
  store: ImportStore;
  open(account: string): Promise<OpenMirror | undefined>;
  clock: Clock;
  claims: Claims;
  pause(ms: number): Promise<void>;
  onError(error: unknown): void;
  /** Saves a policy; false when there is one of that name that says something else. */
  savePolicy(account: string, document: PolicyDocument, origin: Origin): Promise<boolean>;
};

type Taking = {
  run: ImportRun;
  iot: IotRegistry;
  place: { region: string; awsAccount: string };
  policies: Map<string, TakenPolicy>;
};

/** The name here for a policy of AWS, if Thingward can express any of it; and whether something that it denies is lost. */
type TakenPolicy = { name: string | undefined; losesDeny: boolean };
type TakenCertificate = { certificate: NewCertificate; policies: TakenPolicy[] };

const mostPolicies = 20;
const saveEvery = 20;

/** Imports things that AWS has and the registry lacks, with their certificates, and their policies as far as Thingward can express them. */
export function createImporter({ store, open, clock, claims, pause, onError, savePolicy }: Deps) {
  const takePolicy = async ({ run, iot, place, policies }: Taking, awsName: string): Promise<TakenPolicy> => {
    const known = policies.get(awsName);
    if (known) return known;
    const wanted = `aws-${awsName.replace(/[^A-Za-z0-9_-]/g, '-')}`.slice(0, 64);
    const { document, denies, warnings } = importFromAws(wanted, (await iot.getPolicy(awsName)) ?? '', place);
    const said = warnings.map(({ statement, message }) =>
      statement === undefined ? message : `${statement}: ${message}`,
    );
    const isTaken = document && !run.dryRun && !(await savePolicy(run.account, document, run.origin));
    if (isTaken) said.push(`a different policy ${wanted} exists already: things are imported without it`);
    const name = document && !isTaken ? wanted : undefined;
    run.policies.push({ awsName, ...(name === undefined ? {} : { name }), warnings: said });
    const taken = { name, losesDeny: name === undefined && denies };
    policies.set(awsName, taken);
    return taken;
  };

  const takeCertificate = async (taking: Taking, arn: string): Promise<TakenCertificate | string> => {
    const id = arn.split(':cert/')[1];
    const found = id === undefined ? undefined : await taking.iot.describeCertificate(id);
    if (!found) return `the principal ${arn} is not a readable certificate`;
    if (found.status !== 'ACTIVE' && found.status !== 'INACTIVE')
      return `the certificate ${id} is ${found.status}, and left out`;
    const known = { certificateId: found.id, certificateArn: arn, active: found.status === 'ACTIVE' };
    const certificate = readCertificate(found.pem, known);
    if (typeof certificate === 'string') return `the certificate ${id} is left out: ${certificate}`;
    const policies: TakenPolicy[] = [];
    for (const name of (await taking.iot.listAttachedPolicies(arn)) ?? [])
      if (!name.startsWith(policyPrefix)) policies.push(await takePolicy(taking, name));
    return { certificate, policies };
  };

  const takeThing = async (taking: Taking, found: AwsThing): Promise<ImportedItem> => {
    const { run, iot } = taking;
    const item = (result: ImportedItem['result'], certificates: number, warnings: string[]) => ({
      thing: found.name,
      result,
      certificates,
      warnings,
    });
    const unfit = whyUnfit(found);
    if (unfit !== undefined) return item('skipped', 0, [unfit]);
    const all: (TakenCertificate | string)[] = [];
    for (const arn of (await iot.listPrincipals(found.name)) ?? []) all.push(await takeCertificate(taking, arn));
    const [taken, warnings] = [
      all.filter((each) => typeof each === 'object'),
      all.filter((each) => typeof each === 'string'),
    ];
    if (taken.length === 0) return item('skipped', 0, [warnings[0] ?? 'it has no certificate']);
    const policies = commonPolicies(taken);
    if (typeof policies === 'string') warnings.push(policies);
    const thing: NewThing = {
      name: found.name,
      thingType: found.type ?? null,
      attributes: found.attributes,
      policies: typeof policies === 'string' ? [] : policies,
      certificates: taken.map(({ certificate }) => certificate),
    };
    const refusal = run.dryRun ? undefined : await write(run, thing);
    return refusal === undefined ? item('imported', taken.length, warnings) : item('skipped', 0, [refusal]);
  };

  /** Why it was not written, if it was not. */
  const write = async (run: ImportRun, thing: NewThing): Promise<string | undefined> => {
    try {
      run.enrollmentId ??= await store.enrollment(run, clock());
      await store.insert(run, run.enrollmentId, thing, clock());
      return undefined;
    } catch (error) {
      if (error instanceof DomainError && error.code === 'bad-key') return error.message;
      if (!store.isConflict(error)) throw error;
      return 'its name, its key or the serial number of its certificate is already in use in Thingward';
    }
  };

  const take = async (run: ImportRun): Promise<void> => {
    const mirror = await open(run.account);
    if (!mirror) return store.finish(run, 'failed', 'the mirror was switched off', clock());
    const { region, awsAccount } = mirror.settings;
    const taking = {
      run,
      iot: retrying(mirror.iot, pause),
      place: { region, awsAccount },
      policies: new Map<string, TakenPolicy>(),
    };
    // Begun again after a crash, what was taken is known by now.
    Object.assign(run, { seen: 0, counts: {}, items: [], policies: [] });
    for await (const things of pagesOf(taking.iot.listThings)) {
      const known = await store.knownNames(
        run.account,
        things.map(({ name }) => name),
      );
      for (const thing of things) {
        const isKnown = known.has(thing.name) || thing.attributes[ownerAttribute] !== undefined;
        note(
          run,
          isKnown
            ? { thing: thing.name, result: 'known', certificates: 0, warnings: [] }
            : await takeThing(taking, thing),
        );
        background.requireMore(run.seen % saveEvery > 0 || (await store.save(run)));
      }
      background.requireMore(await store.save(run));
    }
    await store.finish(run, 'done', null, clock());
  };

  const background = createBackground<ImportRun>({
    claims,
    onError,
    work: take,
    claim: (until) => store.claim(clock(), until),
    fail: (run, reason) => store.finish(run, 'failed', reason, clock()),
  });

  return {
    /** Begins to take a fleet over, or to tell what would be. @throws DomainError `conflict` while another runs */
    async start(account: string, dryRun: boolean, origin: Origin): Promise<ImportRun> {
      const id = randomUUID();
      if (!(await store.start({ id, account, dryRun, origin, at: clock() })))
        throw new DomainError('conflict', 'an import is running: wait for it');
      return (await store.find(account, id))!;
    },

    /** @throws DomainError `not-found` */
    async get(account: string, id: string): Promise<ImportRun> {
      const run = await store.find(account, id);
      if (!run) throw new DomainError('not-found', `there is no import ${id}`);
      return run;
    },

    /** Goes on with whatever nobody is at. Called now and then. */
    tick: background.tick,
    settled: background.settled,
    close: background.close,
  };
}

function note(run: ImportRun, item: ImportedItem): void {
  run.seen++;
  run.counts[item.result] = (run.counts[item.result] ?? 0) + 1;
  // Those to look at come before the thousandth; of the others there may be many.
  if (item.result !== 'known' && run.items.length < mostItems) run.items.push(item);
}

/** The policies that a thing gets here, where they are the thing's and not the certificate's; a text saying why it gets none. */
function commonPolicies(certificates: TakenCertificate[]): string[] | string {
  const sets = certificates.map(({ policies }) => policies.flatMap(({ name }) => name ?? []).sort());
  if (certificates.some(({ policies }) => policies.some(({ losesDeny }) => losesDeny)))
    return 'Thingward cannot express one of its policies that denies something: it gets none';
  if (new Set(sets.map((names) => names.join(','))).size > 1)
    return 'its certificates have different policies, but in Thingward a thing has one set: it gets none';
  return sets[0]!.length > mostPolicies ? `it has more than ${mostPolicies} policies: it gets none` : sets[0]!;
}

/** Why a thing cannot be taken without losing something of it. */
function whyUnfit({ name, type, attributes }: AwsThing): string | undefined {
  if (!thingNameForm.test(name)) return 'its name has characters that names in Thingward cannot have';
  if (type !== undefined && !thingTypeForm.test(type))
    return 'its thing type has characters that types in Thingward cannot have';
  const odd = Object.keys(attributes).find(
    (key) => !attributeNameForm.test(key) || attributes[key]!.length > 256 || attributes[key] === '',
  );
  if (odd !== undefined) return `Thingward cannot store its attribute ${odd}: rename or shorten it`;
  const room = type === undefined ? 3 : 50;
  if (Object.keys(attributes).length >= room)
    return `it has ${room} attributes, the limit of AWS: leave room for ${ownerAttribute}, or give it a thing type`;
  return undefined;
}

/** A certificate that somebody else issued; a text saying why it cannot be taken. */
function readCertificate(
  pem: string,
  known: Pick<NewCertificate, 'certificateId' | 'certificateArn' | 'active'>,
): NewCertificate | string {
  try {
    const certificate = new X509Certificate(pem);
    const serialNumber = serialDigits(certificate.serialNumber);
    const [notBefore, notAfter] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
    if (serialNumber.length > 40) return 'its serial number is longer than RFC 5280 allows';
    if (!(notBefore < notAfter)) return 'it was never valid';
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    return {
      serialNumber,
      fingerprint: hash('sha256', certificate.raw),
      der: certificate.raw,
      notBefore,
      notAfter,
      spkiSha256: hash('sha256', spki, 'buffer'),
      ...known,
    };
  } catch (error) {
    return `it cannot be read (${(error as Error).message})`;
  }
}
