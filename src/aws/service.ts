import type { AppendAudit } from '../audit/store.js';
import { rfc3339, type Clock } from '../clock.js';
import type { Commit, Json } from '../db/client.js';
import { DomainError } from '../errors.js';
import type { Origin } from '../origin.js';
import type { PolicyVersion } from '../policy/compile.js';
import { arnPrefix, exportPolicy } from './mirror/policy-steps.js';
import type { SagaStore } from './mirror/saga-store.js';
import type { MirrorSettings } from './schema.js';
import type { Mirror, SettingsStore } from './settings-store.js';
import { awsPolicyName } from './mirror/thing-shape.js';

type Deps = {
  store: SettingsStore;
  sagas: Pick<SagaStore, 'retry' | 'queue'>;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  findThingId(account: string, name: string): Promise<string>;
  findPolicy(account: string, name: string, version: number | undefined): Promise<PolicyVersion>;
  /** The settings have changed: what was opened with them is closed. */
  forget(account: string): void;
};

/** Whoever changes a mirror, as far as it matters. */
type Caller = { account: string; permissions: ReadonlySet<string> };

/** How a thing stands in AWS. */
type ThingInAws = { thingArn: string; certificateId?: string; status: MirrorStatus; reason?: string };

type JustProvisioned = {
  created: boolean;
  thing: { id: string; account: string; name: string };
  certificate: { fingerprint: string };
};

type MirrorStatus = 'pending' | 'active' | 'failed' | 'drifted';

export type AwsService = ReturnType<typeof createAwsService>;

/** The settings of the mirror, and what it says of a thing. */
export function createAwsService(deps: Deps) {
  const { store, sagas, commit, clock, audit, findThingId, findPolicy, forget } = deps;
  const mirrorOn = async (account: string): Promise<Mirror | undefined> => {
    const mirror = await store.find(account);
    return mirror?.mode === 'off' ? undefined : mirror;
  };
  const requireMirror = async (account: string): Promise<Mirror> => {
    const mirror = await mirrorOn(account);
    if (!mirror) throw new DomainError('not-found', 'the mirror of this account is off: switch it on with PUT /v1/aws');
    return mirror;
  };

  /** How things of an account stand in AWS, by their ids; nothing while the mirror is off. */
  const statusesOf = async (
    account: string,
    things: { id: string; name: string }[],
  ): Promise<Map<string, ThingInAws>> => {
    const mirror = await mirrorOn(account);
    if (!mirror || things.length === 0) return new Map();
    const names = new Map(things.map(({ id, name }) => [id, name]));
    const rows = await store.statusesOf([...names.keys()]);
    return new Map(
      rows.map(({ thingId, status, reason, certificateId }) => [
        thingId,
        {
          thingArn: arnOf(mirror, names.get(thingId)!),
          ...(certificateId === null ? {} : { certificateId }),
          // Of a thing that is deleted nothing is left to do.
          status: (status === 'gone' ? 'active' : status) as MirrorStatus,
          ...(reason === null ? {} : { reason }),
        },
      ]),
    );
  };

  return {
    mirrorOn,
    requireMirror,

    /** The settings of an account's mirror, how much it has to do, and what keeps it from doing it. */
    async view(account: string) {
      const mirror = await store.find(account);
      return { mirror, queue: mirror && mirror.mode !== 'off' ? await sagas.queue(account) : undefined };
    },

    /** Stops mirroring. What is in AWS stays there as it is. */
    async switchOff(account: string, origin: Origin): Promise<void> {
      await commit(async (tx) => {
        const at = clock();
        await store.switchOff(tx, account, at);
        await audit(tx, { at, account, origin, action: 'aws.switch-off', target: `account:${account}` });
      });
      forget(account);
    },

    /**
     * Switches a mirror on, or to other settings, by which everything of the account is planned again.
     * The AWS account and region is held once the credentials proved to be of it; until then the answer is the same,
     * whoever holds it. @throws DomainError `forbidden`, `conflict` when this account mirrors into another place
     */
    async put(caller: Caller, settings: MirrorSettings, origin: Origin): Promise<void> {
      requireAllowed(caller, settings);
      const { account } = caller;
      await commit(async (tx) => {
        const before = await store.lock(tx, account);
        const at = clock();
        await store.put(tx, account, settings, at, isSamePlace(before, settings));
        const moved = before && (before.awsAccount !== settings.awsAccount || before.region !== settings.region);
        if (moved && before.mode !== 'off')
          throw new DomainError(
            'conflict',
            `the mirror is in ${before.awsAccount} in ${before.region}, where everything would stay as it is: switch the mirror off first`,
          );
        if (moved) await store.forget(tx, account);
        await store.enqueueAll(tx, account, at);
        const detail: Json = JSON.parse(JSON.stringify({ before: before && plain(before), after: settings })) as Json;
        await audit(tx, { at, account, origin, action: 'aws.configure', target: `account:${account}`, detail });
      });
      forget(account);
    },

    /** Tries again what failed: one thing, or everything. @throws DomainError `not-found` */
    async retry(account: string, thingName: string | undefined, origin: Origin): Promise<number> {
      await requireMirror(account);
      const thingId = thingName === undefined ? undefined : await findThingId(account, thingName);
      return commit(async (tx) => {
        const target = thingName === undefined ? `account:${account}` : `thing:${thingName}`;
        await audit(tx, { at: clock(), account, origin, action: 'aws.retry', target });
        await store.unblock(account, tx);
        return sagas.retry(tx, account, thingId === undefined ? {} : { thingId });
      });
    },

    /** What AWS gets of a policy, before or after it got it. @throws DomainError `not-found` */
    async exportPolicy(account: string, name: string, version: number | undefined) {
      const policy = await findPolicy(account, name, version);
      const mirror = await mirrorOn(account);
      const saga = mirror && (await store.policyStatus(account, name));
      return {
        name,
        version: policy.version,
        awsName: awsPolicyName(name),
        ...exportPolicy(policy.document, account, mirror),
        ...(saga ? { aws: { status: saga.status, ...(saga.reason === null ? {} : { reason: saga.reason }) } } : {}),
      };
    },

    statusesOf,

    /** Where the resources of an account are in AWS: `arn:aws:iot:region:account`. */
    async placeOf(account: string): Promise<string | undefined> {
      const mirror = await mirrorOn(account);
      return mirror && arnPrefix(mirror);
    },

    /** What answers say of AWS where something was revoked. It never fails: what is revoked is revoked. */
    async follows(account: string): Promise<{ aws?: { status: 'pending' } }> {
      const mirror = await mirrorOn(account).catch(() => undefined);
      return mirror ? { aws: { status: 'pending' } } : {};
    },

    /** How a thing stands in AWS that has just been provisioned, or once more; a new one waits for its turn. */
    async ofProvisioned({ created, thing, certificate }: JustProvisioned): Promise<ThingInAws | undefined> {
      const mirror = await mirrorOn(thing.account);
      if (!mirror) return undefined;
      const certificateId = certificate.fingerprint;
      const present = created ? undefined : (await statusesOf(thing.account, [thing])).get(thing.id);
      return present ?? { thingArn: arnOf(mirror, thing.name), certificateId, status: 'pending' };
    },
  };
}

function isSamePlace(before: Mirror | undefined, { awsAccount, region, roleArn, endpoint }: MirrorSettings): boolean {
  if (!before || before.mode === 'off') return false;
  const isThere = before.awsAccount === awsAccount && before.region === region;
  return isThere && before.roleArn === roleArn && before.endpoint === endpoint;
}

/** Other places than AWS itself, and the credentials of this server, are the business of who runs it. */
function requireAllowed({ account, permissions }: Caller, { roleArn, endpoint, stsEndpoint }: MirrorSettings) {
  const runsServer = account === 'default' && permissions.has('accounts:write');
  if (runsServer) return;
  if (endpoint !== undefined || stsEndpoint !== undefined)
    throw new DomainError('forbidden', 'only the owner of default may name another endpoint: leave it out');
  if (roleArn === undefined)
    throw new DomainError(
      'forbidden',
      "only the owner of default may use the server's own credentials: name a roleArn whose trust policy asks for your externalId",
    );
}

function plain({ mode, awsAccount, region, roleArn, endpoint, thingGroup, rates, updatedAt }: Mirror) {
  return { mode, awsAccount, region, roleArn, endpoint, thingGroup, rates, updatedAt: rfc3339(updatedAt) };
}

const arnOf = (mirror: Mirror, thingName: string): string => `${arnPrefix(mirror)}:thing/${thingName}`;
