import type { Gate, Guest } from '../gate.js';
import type { MqttSession } from '../mqtt/options.js';
import type { Timers } from '../proxy/sessions.js';
import { reachOf, type Reach } from './filters.js';

/** A session that commands may be sent to. */
export type Receiver = Pick<
  MqttSession,
  'guest' | 'isOver' | 'subscriptions' | 'isPersistent' | 'clientId' | 'protocol' | 'sourceIp'
>;

type Entry = {
  receiver: Receiver;
  /** The control plane knows of it. */
  isReported: boolean;
  /** How often in a row it could not be sent what was claimed for it. */
  failures: number;
  timer: unknown;
};

const retryMs = { first: 1000, most: 60_000 };

export type Receivers = ReturnType<typeof createReceivers>;

/** The sessions that commands may wait for, and those among them for which it has to be asked. */
export function createReceivers({ timers, wake }: { timers: Timers; wake(): void }) {
  const entries = new Map<string, Entry>();
  const ofThing = new Map<string, Set<string>>();
  const due = new Set<string>();

  const mark = (id: string): void => {
    const entry = entries.get(id);
    if (!entry?.isReported || entry.timer !== undefined) return;
    due.add(id);
    wake();
  };

  return {
    get: (id: string): Receiver | undefined => entries.get(id)?.receiver,

    opened(id: string, receiver: Receiver): void {
      const { thingName } = receiver.guest();
      entries.set(id, { receiver, isReported: false, failures: 0, timer: undefined });
      const ids = ofThing.get(thingName);
      if (ids) ids.add(id);
      else ofThing.set(thingName, new Set([id]));
    },

    closed(id: string): void {
      const entry = entries.get(id);
      if (!entry) return;
      entries.delete(id);
      due.delete(id);
      timers.clear(entry.timer);
      const { thingName } = entry.receiver.guest();
      const ids = ofThing.get(thingName);
      if (ids?.delete(id) && ids.size === 0) ofThing.delete(thingName);
    },

    /** The control plane knows of these. */
    reported(ids: Iterable<string>): void {
      for (const id of ids) {
        const entry = entries.get(id);
        if (entry) entry.isReported = true;
        mark(id);
      }
    },

    /** Something may wait for it. */
    mark,

    /** What was in the way may be gone: it does not wait any longer. */
    hurry(id: string): void {
      const entry = entries.get(id);
      if (!entry) return;
      timers.clear(entry.timer);
      entry.timer = undefined;
      mark(id);
    },

    /** Something waits for a thing. */
    markThing: (thingName: string): void => ofThing.get(thingName)?.forEach(mark),

    markAll: (): void => [...entries.keys()].forEach(mark),

    /** It is asked again after a while, longer each time. */
    later(id: string): void {
      const entry = entries.get(id);
      if (!entry || entry.timer !== undefined) return;
      due.delete(id);
      const ms = Math.min(retryMs.first * 2 ** entry.failures++, retryMs.most);
      entry.timer = timers.set(() => {
        entry.timer = undefined;
        mark(id);
      }, ms);
    },

    /** It was sent something. */
    served(id: string): void {
      const entry = entries.get(id);
      if (entry) entry.failures = 0;
    },

    /** Takes sessions that are asked for next: those that subscribe to commands, with the names of these. */
    take(most: number): { id: string; names?: readonly string[] }[] {
      const taken: { id: string; names?: readonly string[] }[] = [];
      for (const id of due) {
        if (taken.length >= most) break;
        due.delete(id);
        const reach = reachOfReceiver(entries.get(id)!.receiver);
        if (reach === 'every') taken.push({ id });
        else if (reach) taken.push({ id, names: reach });
      }
      return taken;
    },

    close(): void {
      for (const { timer } of entries.values()) timers.clear(timer);
      due.clear();
    },
  };
}

function reachOfReceiver({ isOver, guest, subscriptions, isPersistent }: Receiver): Reach {
  if (isOver()) return undefined;
  const { account, thingName } = guest();
  const reach = reachOf(
    subscriptions().map(({ filter }) => filter),
    account,
    thingName,
  );
  // What a session that the broker kept subscribes to, the broker knows alone: it says so when it has nobody.
  return isPersistent() ? 'every' : reach;
}

/** Why a guest gets nothing on a topic now: a decision, or something that may pass. */
export type Hindrance = { denied: string } | 'passing' | undefined;

const passing: ReadonlySet<string> = new Set([
  'cannot-decide',
  'thing-suspended',
  'certificate-revoked',
  'token-expired',
]);

/** Judges a delivery of a command as every other. */
export function hindranceOf(
  gate: Pick<Gate, 'standing' | 'judge'>,
  guest: Guest,
  { clientId, protocol, sourceIp }: Receiver,
  topic: string,
): { hindrance: Hindrance; ask: Parameters<Gate['judge']>[1]; verdict: ReturnType<Gate['judge']> | undefined } {
  const context = { clientId, protocol, sourceIp, qos: 1, retain: false };
  const ask = { action: 'receive', resource: `topic:${topic}`, context };
  if (gate.standing(guest) !== undefined) return { hindrance: 'passing', ask, verdict: undefined };
  const verdict = gate.judge(guest, ask);
  if (verdict.allowed) return { hindrance: undefined, ask, verdict };
  const why = verdict.refusal ?? `statement ${verdict.statement?.id ?? ''}`;
  return { hindrance: passing.has(why) ? 'passing' : { denied: why }, ask, verdict };
}
