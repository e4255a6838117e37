import { DomainError } from '../errors.js';

/** What a request holds up while it is under way; `question` is what proxies ask one by one. */
export type Load = 'question' | 'batch' | 'read' | 'page' | 'write' | 'heavy';

/** What turns need of an answer: whether its connection is gone, and when it is done with. */
export type Answering = { readonly destroyed: boolean; once(event: 'close' | 'finish', listener: () => void): unknown };

type Request = { load: Load; number: number; answer: Answering; begin(): void };

/** What an account began in a turn, and how many of its requests wait. */
type Share = { turn: number; spent: number; count: number };

/** The requests of one caller, in its account's share. */
type Line = { share: Share; waiting: Record<Load, Request[]>; count: number; underWay: Record<Load, number> };

/**
 * How many requests of a kind one caller has under way on an instance; more of them wait. A place is held from the head of the
 * request to the end of the answer, so that a slow caller holds up itself alone: of the devices of an account, which are one
 * caller, nothing is counted but short reads, which no reader can make slow.
 */
export const placesOf: Record<Load, number> = {
  question: Infinity,
  batch: 2,
  read: 8,
  page: 1,
  write: Infinity,
  heavy: 2,
};

/** How many requests of one account may wait on an instance. */
export const mostWaiting = 10_000;

// What an account may begin in one turn of the event loop, and what each request takes of it.
const unitsOfTurn = 32;
const unitsOf: Record<Load, number> = { question: 1, batch: 32, read: 4, page: 32, write: 8, heavy: 32 };

const loads = Object.keys(placesOf) as Load[];
const mostKept = 5000;

export type Turns = ReturnType<typeof createTurns>;

/**
 * Lets the requests of each account begin in turn: in one turn of the event loop every account begins its share, however
 * many requests of others wait. An account that sends more than its share waits for its own requests, and a caller that
 * reads its answers slowly for its own answers. Where there is room, a request begins at once.
 */
export function createTurns(later: (work: () => void) => void = setImmediate) {
  const shares = new Map<string, Share>();
  const lines = new Map<string, Line>();
  let waiting = new Set<Line>();
  let [turn, numbers, isDue] = [0, 0, false];

  const shareOf = (account: string): Share =>
    remembered(
      shares,
      account,
      ({ count }) => count === 0,
      () => ({ turn, spent: 0, count: 0 }),
    );

  const lineOf = ({ account, id }: Turn): Line =>
    remembered(lines, `${account} ${id}`, isIdle, () => ({
      share: shareOf(account),
      waiting: each((): Request[] => []),
      count: 0,
      underWay: each(() => 0),
    }));

  const plan = (): void => {
    if (isDue) return;
    isDue = true;
    later(nextTurn);
  };

  const hasShare = ({ share }: Line): boolean => share.turn !== turn || share.spent < unitsOfTurn;

  const spend = ({ share }: Line, load: Load): void => {
    share.spent = (share.turn === turn ? share.spent : 0) + unitsOf[load];
    share.turn = turn;
    plan();
  };

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

  const note = (line: Line, change: 1 | -1): void => {
    line.count += change;
    line.share.count += change;
  };

  /** Begins one request, if there is a place and a share for it. Those whose connection is gone are dropped. */
  const serve = (line: Line): boolean => {
    for (let next = nextOf(line); next && hasShare(line); next = nextOf(line)) {
      line.waiting[next.load].shift();
      note(line, -1);
      if (next.answer.destroyed) continue;
      start(line, next);
      return true;
    }
    return false;
  };

  /** One request of each line after the other, until none has a place and a share left; who was served last is last in the next turn. */
  const nextTurn = (): void => {
    isDue = false;
    turn++;
    const rest = new Set<Line>();
    for (const line of waiting) {
      waiting.delete(line);
      if (serve(line)) waiting.add(line);
      else if (nextOf(line)) rest.add(line);
    }
    waiting = rest;
    if (waiting.size > 0) plan();
  };

  return {
    /**
     * Runs `begin` at once or when it is the caller's turn; never when its connection has closed before.
     * @throws DomainError `too-many-requests` when as many requests of the account wait as may
     */
    enter(caller: Turn, load: Load, answer: Answering, begin: () => void): void {
      const line = lineOf(caller);
      const request = { load, number: numbers++, answer, begin };
      const isFree = line.waiting[load].length === 0 && line.underWay[load] < placesOf[load];
      if (isFree && hasShare(line)) return start(line, request);
      if (line.share.count >= mostWaiting) throw tooManyWait();
      line.waiting[load].push(request);
      note(line, 1);
      waiting.add(line);
      plan();
    },
  };
}

/** Whose turn it is: one key of an account, or its devices together. */
export type Turn = { account: string; id: string };

/** What stands under a name, made when there is none. Of many, those that are idle are forgotten. */
function remembered<Value>(
  known: Map<string, Value>,
  name: string,
  isIdle: (value: Value) => boolean,
  make: () => Value,
): Value {
  const found = known.get(name);
  if (found !== undefined) return found;
  if (known.size >= mostKept) for (const [each, value] of known) if (isIdle(value)) known.delete(each);
  const made = make();
  known.set(name, made);
  return made;
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
