import { DomainError } from '../errors.js';

type Waiting = { account: string; start(): void };

const atOnce = 2;
const waitingOfAccount = 32;
const waitingInAll = 256;

/**
 * Gives turns to work that keeps a processor busy for long: two at once, one of an account, the accounts one after the
 * other. Who finds the line of its account full is told to come again.
 */
export function createTurns() {
  let running = 0;
  let line: Waiting[] = [];
  const busy = new Set<string>();

  const callNext = (): void => {
    const next = running < atOnce ? line.find(({ account }) => !busy.has(account)) : undefined;
    if (!next) return;
    line = line.filter((each) => each !== next);
    running++;
    busy.add(next.account);
    next.start();
  };

  const leave = (account: string): void => {
    running--;
    busy.delete(account);
    // Others first: an account with a long line waits for its next turn behind them.
    line = [...line.filter((each) => each.account !== account), ...line.filter((each) => each.account === account)];
    callNext();
  };

  /** Does the work when its turn comes. @throws DomainError `too-many-requests` */
  return async <Result>(account: string, work: () => Promise<Result>): Promise<Result> => {
    const mine = line.filter((each) => each.account === account).length;
    if (mine >= waitingOfAccount || line.length >= waitingInAll)
      throw new DomainError(
        'too-many-requests',
        'too many RSA keys are being generated: send a csr with your own key, or try again later',
        { retryAfter: 5 },
      );
    await new Promise<void>((start) => {
      line.push({ account, start });
      callNext();
    });
    try {
      return await work();
    } finally {
      leave(account);
    }
  };
}
