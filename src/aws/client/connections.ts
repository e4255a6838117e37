import type { Clock } from '../../clock.js';
import type { Mirror, SettingsStore } from '../settings-store.js';
import type { OpenMirror } from '../mirror/mirror.js';
import type { Claims } from '../runs/claims.js';
import { defaultRates, type AwsCall } from './calls.js';
import type { IotRegistry, openIotRegistry } from './iot-registry.js';
import type { AwsTuning } from './tuning.js';

// Another instance may have changed the settings.
const settingsMs = 1000;

type Deps = {
  settings: Pick<SettingsStore, 'find' | 'hold'>;
  rates: { take(account: string, call: AwsCall, perSecond: number, at: Date): Promise<number> };
  clock: Clock;
  tuning: AwsTuning;
  claims: Claims;
};

type Opened = OpenMirror & { readAt: number };

/** The AWS accounts of the mirrors that are on, each opened once. The SDK is loaded with the first: most servers have none. */
export function createConnections({ settings, rates, clock, tuning, claims }: Deps) {
  const opened = new Map<string, Opened>();
  let loading: Promise<{ openIotRegistry: typeof openIotRegistry }> | undefined;

  const connect = async (mirror: Mirror): Promise<IotRegistry> => {
    loading ??= import('./iot-registry.js');
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
