import type { Timers } from '../proxy/sessions.js';

/** What became of a command, as the control plane is told. */
export type Outcome = {
  id: string;
  thingName: string;
  status: 'released' | 'delivered' | 'acknowledged' | 'failed';
  reason?: string;
  result?: unknown;
};

type Options = {
  /** Tells the control plane. Resolves with false where it takes them never. @throws Error where it may later */
  send(outcomes: Outcome[]): Promise<boolean>;
  timers: Timers;
};

const most = { ofReport: 50, things: 5000, ofThing: 20 };
const retryMs = { first: 500, most: 15_000 };

export type Outbox = ReturnType<typeof createOutbox>;

/**
 * What the control plane does not know of commands yet. What the edge itself says is bounded by what it claimed; what devices say, by
 * thing, and things take turns: one that answers without end delays nobody else.
 */
export function createOutbox({ send, timers }: Options) {
  let own: Outcome[] = [];
  const said = new Map<string, Map<string, Outcome>>();
  let sending: Promise<void> | undefined;
  let timer: unknown;
  let failures = 0;
  let ended = false;

  const take = (): Outcome[] => {
    const taken = own.slice(0, most.ofReport);
    own = own.slice(taken.length);
    for (const [thing, outcomes] of said) {
      if (taken.length >= most.ofReport) break;
      const [[id, outcome]] = outcomes as unknown as [[string, Outcome]];
      outcomes.delete(id);
      said.delete(thing);
      // Behind the others.
      if (outcomes.size > 0) said.set(thing, outcomes);
      taken.push(outcome);
    }
    return taken;
  };

  /** One that it never takes must not take the others with it. */
  const sendAll = async (taken: Outcome[]): Promise<void> => {
    if ((await send(taken)) || taken.length === 1) return;
    for (const each of taken) await send([each]);
  };

  const flush = async (): Promise<void> => {
    while (own.length > 0 || said.size > 0) {
      const taken = take();
      try {
        await sendAll(taken);
        failures = 0;
      } catch {
        own = [...taken, ...own];
        if (!ended) timer = timers.set(start, Math.min(retryMs.first * 2 ** failures++, retryMs.most));
        return;
      }
    }
  };

  const start = (): void => {
    timer = undefined;
    sending ??= flush().finally(() => (sending = undefined));
  };

  const wake = (): void => {
    if (timer === undefined && !ended) start();
  };

  return {
    /** Says something of the edge itself. */
    say(outcome: Outcome): void {
      own.push(outcome);
      wake();
    },

    /** Passes on what a device said. False where it has said too much that was not told yet. */
    pass(outcome: Outcome): boolean {
      const { id, thingName } = outcome;
      const outcomes = said.get(thingName) ?? new Map<string, Outcome>();
      if (!outcomes.has(id) && (outcomes.size >= most.ofThing || (outcomes.size === 0 && said.size >= most.things)))
        return false;
      outcomes.set(id, outcome);
      said.set(thingName, outcomes);
      wake();
      return true;
    },

    /** Tells what there is, once more, and then nothing any longer. */
    async close(): Promise<void> {
      ended = true;
      timers.clear(timer);
      await sending;
      await flush();
    },
  };
}
