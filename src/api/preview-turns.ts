import { DomainError } from '../errors.js';

/** How much one preview may look at; counted, so that it does not depend on the machine. */
export type Budget = {
  /** Takes so much. False when there is not so much left. */
  spend(units: number): boolean;
};

/** An amount of work that can be spent once. */
export function createBudget(units: number): Budget {
  let left = units;
  return {
    spend(wanted) {
      left -= wanted;
      return left >= 0;
    },
  };
}

/** Lets each account have one preview at a time: however many it asks for, others wait for one at most. */
export function createTurns() {
  const busy = new Set<string>();
  return {
    /** @throws DomainError `too-many-requests` while the account has another one under way */
    async take<Result>(account: string, work: () => Promise<Result>): Promise<Result> {
      if (busy.has(account))
        throw new DomainError(
          'too-many-requests',
          'a simulation or dry run of this account is running: send the next one after its answer',
          { retryAfter: 1 },
        );
      busy.add(account);
      try {
        return await work();
      } finally {
        busy.delete(account);
      }
    },
  };
}
