import type { Verdict } from '../../authorize/judge.js';
import type { Ask, Guest } from '../gate.js';
import type { RefusalLog, RefusedLine } from './log.js';
import type { Meters } from './monitor.js';
import type { Reports } from './reports.js';
import type { Troubles } from './troubles.js';

type Deps = {
  refusals: Pick<RefusalLog, 'say'>;
  meters: Pick<Meters, 'decisions' | 'upstreamFailures'>;
  reports: Pick<Reports, 'sampled' | 'seen' | 'denied'>;
  troubles: Troubles;
};

type Upstream = 'mqtt' | 'http';

const nameOf = { mqtt: 'broker', http: 'service' } as const;

export type Witness = ReturnType<typeof createWitness>;

/** Sees what is decided and refused, for the figures, the log and the control plane. */
export function createWitness({ refusals, meters, reports, troubles }: Deps) {
  return {
    /** A question was answered. `guest` is undefined while it is not known who asks. */
    decided(guest: Guest | undefined, ask: Ask, verdict: Verdict): void {
      meters.decisions.inc({ action: ask.action, decision: verdict.allowed ? 'allow' : 'deny' });
      if (!guest) return;
      reports.seen(guest.thingName);
      reports.sampled(guest.thingName, ask, verdict);
    },

    /** Something was refused, `reason` being one of few words. */
    refused(reason: string, line: RefusedLine): void {
      reports.denied(reason);
      refusals.say(line);
    },

    /** A device came in. */
    seen: ({ thingName }: Guest): void => reports.seen(thingName),

    upstreamFailed(upstream: Upstream, error: Error): void {
      meters.upstreamFailures.inc({ upstream });
      troubles.failed(error, nameOf[upstream]);
    },

    upstreamWorks: (upstream: Upstream): void => troubles.works(nameOf[upstream]),
  };
}
