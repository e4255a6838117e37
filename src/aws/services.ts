import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { AppendAudit } from '../audit/store.js';
import type { Clock } from '../clock.js';
import type { Commit, Database } from '../db/client.js';
import type { Origin } from '../origin.js';
import type { PolicyVersion } from '../policy/compile.js';
import type { PolicyDocument } from '../policy/policy.js';
import { defaultRates, type AwsCall } from './client/calls.js';
import { createClaims, type Claims } from './runs/claims.js';
import { createImportStore } from './import/store.js';
import { createImporter } from './import/import.js';
import type { IotRegistry, openIotRegistry } from './client/iot-registry.js';
import { createMirror, type OpenMirror } from './mirror/mirror.js';
import { createRateStore } from './client/rate-store.js';
import { createReconcileStore } from './reconcile/store.js';
import { createReconciler } from './reconcile/reconcile.js';
import { createSagaStore } from './mirror/saga-store.js';
import { createAwsService } from './service.js';
import { createSettingsStore, type Mirror, type SettingsStore } from './settings-store.js';

type Deps = {
  db: Database;
  commit: Commit;
  clock: Clock;
  audit: AppendAudit;
  isUniqueViolation(error: unknown): boolean;
  encodePem(der: Buffer): string;
  findThingId(account: string, name: string): Promise<string>;
  findPolicy(account: string, name: string, version: number | undefined): Promise<PolicyVersion>;
  /** Saves a policy; false when there is one of that name that says something else. */
  savePolicy(account: string, document: PolicyDocument, origin: Origin): Promise<boolean>;
  onError(error: unknown): void;
};

/** What a test may have otherwise. */
export type AwsTuning = {
  concurrency: number;
  timeoutMs: number;
  /** Aborts when the time of a call is up. */
  limit(ms: number): AbortSignal;
  pause(ms: number): Promise<void>;
};

export const awsTuning: AwsTuning = {
  concurrency: 16,
  timeoutMs: 10_000,
  limit: (ms) => AbortSignal.timeout(ms),
  pause: (ms) => wait(ms),
};

// Another instance may have changed the settings.
const settingsMs = 1000;

/** Wires the mirror. The SDK is loaded when the first mirror is switched on: most servers have none. */
export function createAws(deps: Deps, tuning: AwsTuning) {
  const { db, commit, clock, audit, encodePem, onError } = deps;
  const settings = createSettingsStore(db, deps.isUniqueViolation);
  const rates = createRateStore(db);
  const instance = randomUUID();
  const store = createSagaStore(db, instance);
  const { timeoutMs } = tuning;
  const claims = createClaims({ clock, prolong: store.prolong, timeoutMs, onError });
  const connections = createConnections({ settings, rates, clock, tuning, claims });
  const service = createAwsService({
    ...{ commit, clock, audit },
    ...{ findThingId: deps.findThingId, findPolicy: deps.findPolicy },
    store: settings,
    sagas: store,
    forget: connections.forget,
  });
  const { concurrency } = tuning;
  const mirror = createMirror({
    store,
    settings,
    rates,
    open: connections.open,
    claims,
    encodePem,
    clock,
    onError,
    concurrency,
  });
  const { open } = connections;
  const reconciler = createReconciler({
    store: createReconcileStore(db, instance),
    ...{ open, clock, claims },
    pause: tuning.pause,
    onError,
  });
  const importer = createImporter({
    store: createImportStore(db, commit, audit, instance),
    ...{ open, clock, claims, pause: tuning.pause, onError, savePolicy: deps.savePolicy },
  });
  return {
    aws: service,
    importer,
    reconciler,
    mirror,
    mirrorQueue: store.queue,
    async closeMirror(): Promise<void> {
      await Promise.all([mirror.close(), reconciler.close(), importer.close()]);
      connections.close();
    },
  };
}

type ConnectionDeps = {
  settings: Pick<SettingsStore, 'find' | 'hold'>;
  rates: { take(account: string, call: AwsCall, perSecond: number, at: Date): Promise<number> };
  clock: Clock;
  tuning: AwsTuning;
  claims: Claims;
};

type Opened = OpenMirror & { readAt: number };

/** The AWS accounts of the mirrors that are on, each opened once. */
function createConnections({ settings, rates, clock, tuning, claims }: ConnectionDeps) {
  const opened = new Map<string, Opened>();
  let loading: Promise<{ openIotRegistry: typeof openIotRegistry }> | undefined;

  const connect = async (mirror: Mirror): Promise<IotRegistry> => {
    loading ??= import('./client/iot-registry.js');
    const { openIotRegistry: connectTo } = await loading;
    const { account, awsAccount, region, roleArn, endpoint } = mirror;
    const stsEndpoint = mirror.stsEndpoint ?? endpoint;
    const place = { awsAccount, region, roleArn, externalId: account, endpoint, stsEndpoint };
    const pace = async (call: AwsCall) => {
      const ms = await rates.take(account, call, mirror.rates[call] ?? defaultRates[call], clock());
      if (ms >= 1) await tuning.pause(ms);
      claims.requireTime(call);
    };
    const { timeoutMs, limit } = tuning;
    return connectTo({ ...place, timeoutMs, limit, hold: () => settings.hold(mirror, clock()) }, pace);
  };

  const forget = (account: string): void => {
    opened.get(account)?.iot.close();
    opened.delete(account);
  };

  return {
    forget,

    /** Undefined when the mirror is off. */
    async open(account: string): Promise<OpenMirror | undefined> {
      const known = opened.get(account);
      if (known && performance.now() - known.readAt < settingsMs) return known;
      const mirror = await settings.find(account);
      if (!mirror || mirror.mode === 'off') return void forget(account);
      const readAt = performance.now();
      const same = opened.get(account);
      const isSame = same?.settings.updatedAt.getTime() === mirror.updatedAt.getTime();
      const iot = same && isSame ? same.iot : await connect(mirror);
      if (!isSame) same?.iot.close();
      const fresh = { settings: mirror, iot, readAt };
      opened.set(account, fresh);
      return fresh;
    },

    close: (): void => [...opened.keys()].forEach(forget),
  };
}
