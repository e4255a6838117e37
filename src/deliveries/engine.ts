import { randomInt, randomUUID } from 'node:crypto';
import { addSeconds, createStopwatch, type Clock } from '../clock.js';
import type { QueueStore, Waiting } from './queue-store.js';
import type { Receiver } from './receiver.js';
import type { Send } from './sender.js';

type Deps = { store: QueueStore; send: Send; clock: Clock; onError(error: unknown): void };

const claimSeconds = 30;
const mostAtOnce = 128;
const mostOfAccount = 4;
const dueAtOnce = 50;
// A receiver that is slow and never away goes to the end of the line after so long.
const turnMs = 20_000;
const turnMessages = 500;

/** How long a message is tried. */
export const triedSeconds = 24 * 3600;
const longestWait = 3600;
const longestPause = 300;

/** When to try again after so many failures in a row: five seconds, then twice as long each time. */
export function waitAfter(failures: number, longest: number): number {
  return Math.min(longest, 5 * 2 ** Math.min(failures - 1, 20));
}

/** Delivers what waits: many receivers at once, each in order, and none waits for another. */
export function createEngine({ store, send, clock, onError }: Deps) {
  const claim = { holder: randomUUID(), seconds: claimSeconds };
  const working = new Map<string, Promise<void>>();
  const ofAccount = new Map<string, number>();
  const stopping = new AbortController();

  const failedAt = (at: Date, { attempts, since }: Waiting): Date | undefined => {
    if (at.getTime() - since.getTime() >= triedSeconds * 1000) return undefined;
    const seconds = waitAfter(attempts + 1, longestWait);
    return new Date(at.getTime() + seconds * 1000 + randomInt(Math.ceil(seconds * 100)));
  };

  /** Tells one message. Returns whether the receiver takes more, and more of this subject. */
  const tell = async (receiver: Receiver, message: Waiting): Promise<'taken' | 'refused' | 'away'> => {
    const outcome = await send(receiver, message, stopping.signal);
    const at = clock();
    if (outcome.delivered) {
      await store.delivered(receiver.id, message.id, at, outcome);
      return 'taken';
    }
    // What stopping broke off is nobody's fault, and is told by whoever continues.
    if (stopping.signal.aborted) return 'away';
    await store.failed(message.id, at, outcome, failedAt(at, message));
    if (!outcome.away) return 'refused';
    const parkedBefore = addSeconds(at, -triedSeconds);
    await store.pause(receiver.id, (failures) => addSeconds(at, waitAfter(failures, longestPause)), parkedBefore);
    return 'away';
  };

  const serve = async (receiver: Receiver): Promise<void> => {
    const elapsed = createStopwatch();
    for (let told = 0; told < turnMessages;) {
      const due = await store.due(receiver.id, clock(), dueAtOnce);
      if (due.length === 0) return;
      const held = new Set<string>();
      for (const message of due) {
        if (held.has(message.subject)) continue;
        // INVARIANT: whoever lost the claim tells nothing more, so that two instances never mix the order.
        if (stopping.signal.aborted || elapsed() > turnMs || !(await store.keep(receiver.id, clock(), claim))) return;
        told++;
        const result = await tell(receiver, message);
        if (result === 'away') return;
        if (result === 'refused') held.add(message.subject);
      }
    }
  };

  const begin = (receiver: Receiver): void => {
    const { id, account } = receiver;
    ofAccount.set(account, (ofAccount.get(account) ?? 0) + 1);
    const work = serve(receiver)
      .catch(onError)
      .then(() => store.leave(id, claim))
      .catch(onError)
      .finally(() => {
        working.delete(id);
        const left = (ofAccount.get(account) ?? 1) - 1;
        if (left > 0) ofAccount.set(account, left);
        else ofAccount.delete(account);
      });
    working.set(id, work);
  };

  return {
    /** Begins to deliver what is due, and waits for none of it: a receiver that is slow holds up nobody else. */
    async run(): Promise<void> {
      if (stopping.signal.aborted) return;
      const busy = [...ofAccount].filter(([, count]) => count >= mostOfAccount).map(([account]) => account);
      const claimed = await store.claim(clock(), claim, mostAtOnce - working.size, busy);
      for (const receiver of claimed) {
        if (working.has(receiver.id)) continue;
        if ((ofAccount.get(receiver.account) ?? 0) < mostOfAccount) begin(receiver);
        else await store.leave(receiver.id, claim);
      }
    },

    sweep: (): Promise<void> => store.sweep(clock()),

    /** Waits until nothing is under way. */
    idle: async (): Promise<void> => void (await Promise.all(working.values())),

    /** Breaks off what is under way, and begins nothing more. */
    async stop(): Promise<void> {
      stopping.abort();
      await Promise.all(working.values());
    },
  };
}
