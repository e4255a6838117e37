import { ControlPlaneError } from './control-plane.js';

type Deps = {
  /** Asks who holds a certificate; undefined when nobody does. @throws ControlPlaneError */
  find(fingerprint: string): Promise<object | undefined>;
  /** Milliseconds; never goes back. */
  monotonic(): number;
  /** Told of things about whose holders something is known now, or that time is over for. */
  settled(things: Set<string>): void;
};

type Due = { name: string; since: number; isOver: boolean; isAsked: boolean };

const withinMs = 30_000;
const againMs = 1000;
const mostGone = 50_000;

export type Confirmations = ReturnType<typeof createConfirmations>;

/** Asks again about live guests whose certificates are unknown since everything was read again. */
export function createConfirmations({ find, monotonic, settled }: Deps) {
  const due = new Map<string, Due>();
  const gone = new Set<string>();
  let running = false;
  let timer: NodeJS.Timeout | undefined;

  const confirm = async (fingerprint: string, each: Due): Promise<string | undefined> => {
    each.isAsked = true;
    try {
      if ((await find(fingerprint)) === undefined) {
        if (gone.size >= mostGone) gone.clear();
        gone.add(fingerprint);
      }
    } catch (error) {
      if (!(error instanceof ControlPlaneError)) throw error;
      const isOver = !each.isOver && monotonic() - each.since >= withinMs;
      each.isOver ||= isOver;
      return isOver ? each.name : undefined;
    }
    if (due.get(fingerprint) === each) due.delete(fingerprint);
    return each.name;
  };

  const run = async (): Promise<void> => {
    running = true;
    // One turn of the loop: guests are looked at one after the other.
    await new Promise((resolve) => setImmediate(resolve));
    const names = await Promise.all([...due].map(([fingerprint, each]) => confirm(fingerprint, each)));
    running = false;
    const things = new Set(names.flatMap((name) => name ?? []));
    if (things.size > 0) settled(things);
    if ([...due.values()].some(({ isAsked }) => !isAsked)) void run();
    else if (due.size > 0) schedule();
  };

  const schedule = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void (running || run()), againMs);
    timer.unref();
  };

  return {
    /** Wants a guest to be confirmed. Returns whether it may stay meanwhile. */
    want(fingerprint: string, name: string): 'waits' | 'over' | 'gone' {
      if (gone.has(fingerprint)) return 'gone';
      const each = due.get(fingerprint);
      if (each) return each.isOver || monotonic() - each.since >= withinMs ? 'over' : 'waits';
      due.set(fingerprint, { name, since: monotonic(), isOver: false, isAsked: false });
      if (!running) void run();
      return 'waits';
    },
    /** Nobody waits who may still be here. */
    isClear: (): boolean => !running && [...due.values()].every(({ isOver }) => isOver),
    /** Everything is read again. */
    clear(): void {
      due.clear();
      gone.clear();
    },
    close: (): void => clearTimeout(timer),
  };
}
