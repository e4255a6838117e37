import type { Claims } from './claims.js';
import { AwsFailure } from '../client/failure.js';

type Deps<Run> = {
  claims: Claims;
  /** The next run that nobody is at, claimed until then. */
  claim(until: Date): Promise<Run | undefined>;
  /** Resolves when it is done, or has to stop. */
  work(run: Run): Promise<void>;
  fail(run: Run, reason: string): Promise<void>;
  onError(error: unknown): void;
};

/** Long work that is kept in the database: whichever instance looks next resumes what is unclaimed. */
export function createBackground<Run>({ claims, claim, work, fail, onError }: Deps<Run>) {
  let closing = false;
  let working: Promise<void> | undefined;

  const workAll = async (first: Run): Promise<void> => {
    for (let run: Run | undefined = first; run; run = closing ? undefined : await claim(claims.until())) {
      const present = run;
      await work(present).catch(async (error: unknown) => {
        if (error instanceof Stopped) return;
        if (!(error instanceof AwsFailure)) onError(error);
        const reason =
          error instanceof AwsFailure
            ? error.message
            : 'something failed in Thingward, not in AWS: the log has the reason';
        await fail(present, reason);
      });
    }
  };

  return {
    /** @throws Stopped when the server stops, or the claim is lost */
    requireMore(saved: boolean): void {
      if (closing || !saved) throw new Stopped();
    },

    /** Takes what nobody is at, and works at it in the background. Called now and then. */
    async tick(): Promise<void> {
      const run = closing || working ? undefined : await claim(claims.until());
      if (!run) return;
      working = claims
        .hold(() => workAll(run))
        .catch(onError)
        .finally(() => (working = undefined));
    },

    async settled(): Promise<void> {
      while (working) await working;
    },

    async close(): Promise<void> {
      closing = true;
      await working;
    },
  };
}

/** Another instance has it, or will have it: it begins again where the last progress was saved. */
class Stopped extends Error {}
