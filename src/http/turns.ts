import { DomainError } from '../errors.js';

/** What a request holds up while it is under way; `question` is what proxies ask one by one. */
export type Load = 'question' | 'batch' | 'read' | 'page' | 'write' | 'heavy';

/** What turns need of an answer: whether its connection is gone, and when it is done with. */
export type Answering = { readonly destroyed: boolean; once(event: 'close' | 'finish', listener: () => void): unknown };

type Request = { load: Load; number: number; answer: Answering; begin(): void };

type Line = {
  waiting: Record<Load, Request[]>;
  count: number;
  underWay: Record<Load, number>;
  turn: number;
  spent: number;
};

/** How many requests of a kind one account has under way on an instance; more of them wait. */
export const placesOf: Record<Load, number> = { question: Infinity, batch: 2, read: 8, page: 1, write: 256, heavy: 2 };

/** How many requests of one account may wait on an instance. */
export const mostWaiting = 10_000;

// What an account may begin in one turn of the event loop, and what each request takes of it.
const unitsOfTurn = 32;
const unitsOf: Record<Load, number> = { question: 1, batch: 32, read: 4, page: 32, write: 8, heavy: 32 };

const loads = Object.keys(placesOf) as Load[];
const linesKept = 5000;

export type Turns = ReturnType<typeof createTurns>;

/**
 * Lets the requests of each account begin in turn: in one turn of the event loop every account begins its share, however
 * many requests of others wait. An account that sends more than its share waits for its own requests. Where there is
 * room, a request begins at once.
 */
export function createTurns(later: (work: () => void) => void = setImmediate) {
  const lines = new Map<string, Line>();
  const waiting = new Set<Line>();
  let [turn, numbers, isDue] = [0, 0, false];

  const lineOf = (account: string): Line => {
    const known = lines.get(account);
    if (known) return known;
    if (lines.size >= linesKept) for (const [name, line] of lines) if (isIdle(line)) lines.delete(name);
    const line = { waiting: each((): Request[] => []), count: 0, underWay: each(() => 0), turn, spent: 0 };
    lines.set(account, line);
    return line;
  };

  const plan = (): void => {
    if (isDue) return;
    isDue = true;
    later(nextTurn);
  };

  const spend = (line: Line, load: Load): void => {
    line.spent = spentBy(line) + unitsOf[load];
    line.turn = turn;
    plan();
  };

  const spentBy = (line: Line): number => (line.turn === turn ? line.spent : 0);

  const hold = (line: Line, load: Load, answer: Answering): void => {
    line.underWay[load]++;
    let isHeld = true;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      line.underWay[load]--;
      if (line.count === 0) return;
      waiting.add(line);
      plan();
    };
    answer.once('finish', release);
    answer.once('close', release);
  };

  const start = (line: Line, { load, answer, begin }: Request): void => {
    spend(line, load);
    if (placesOf[load] !== Infinity) hold(line, load, answer);
    begin();
  };

  /** Begins what the account may begin in this turn. */
  const serve = (line: Line): void => {
    for (let next = nextOf(line); next; next = nextOf(line)) {
      if (spentBy(line) >= unitsOfTurn) return void waiting.add(line);
      line.waiting[next.load].shift();
      line.count--;
      if (!next.answer.destroyed) start(line, next);
    }
  };

  const nextTurn = (): void => {
    isDue = false;
    turn++;
    const served = [...waiting];
    waiting.clear();
    for (const line of served) serve(line);
    if (waiting.size > 0) plan();
  };

  return {
    /**
     * Runs `begin` at once or when it is the account's turn; never when its connection is gone by then.
     * @throws DomainError `too-many-requests` when as many requests of the account wait as may
     */
    enter(account: string, load: Load, answer: Answering, begin: () => void): void {
      const line = lineOf(account);
      const request = { load, number: numbers++, answer, begin };
      const isFree = line.waiting[load].length === 0 && line.underWay[load] < placesOf[load];
      if (isFree && spentBy(line) < unitsOfTurn) return start(line, request);
      if (line.count >= mostWaiting) throw tooManyWait();
      line.waiting[load].push(request);
      line.count++;
      waiting.add(line);
      plan();
    },
  };
}

/** The request that came first of those for which there is a place. */
function nextOf({ waiting, underWay }: Line): Request | undefined {
  let first: Request | undefined;
  for (const load of loads) {
    const head = waiting[load][0];
    if (head && underWay[load] < placesOf[load] && (!first || head.number < first.number)) first = head;
  }
  return first;
}

function isIdle({ count, underWay }: Line): boolean {
  return count === 0 && loads.every((load) => underWay[load] === 0);
}

function each<Value>(value: () => Value): Record<Load, Value> {
  return Object.fromEntries(loads.map((load) => [load, value()])) as Record<Load, Value>;
}

function tooManyWait(): DomainError {
  return new DomainError(
    'too-many-requests',
    `${mostWaiting} requests of the account wait for their turn on this instance: send fewer at once`,
    { retryAfter: 1 },
  );
}
