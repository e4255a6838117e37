import { randomInt } from 'node:crypto';

/** What the server says of a device, as far as it orders a renewal: both times are of its clock. */
export type RenewalWish = { renewAt?: string; serverTime?: string };

/**
 * What the server asked of this device: to renew from some time on. It is obeyed once, up to `spreadMs` later, so that
 * devices which are asked together do not come together. `now` counts milliseconds.
 */
export function createRenewalOrder({ now, spreadMs }: { now(): number; spreadMs: number }) {
  let known: string | undefined;
  let dueAt: number | undefined;
  return {
    /** Hears what the server asks now; what it asks no more is forgotten. */
    hear({ renewAt, serverTime }: RenewalWish): void {
      if (renewAt === known) return;
      known = renewAt;
      const waitMs = renewAt === undefined ? NaN : Date.parse(renewAt) - Date.parse(serverTime ?? renewAt);
      dueAt = Number.isFinite(waitMs) ? now() + Math.max(0, waitMs) + randomInt(spreadMs + 1) : undefined;
    },
    isDue: (): boolean => dueAt !== undefined && now() >= dueAt,
    /** It has renewed: the same order is not obeyed again. */
    obeyed: (): void => void (dueAt = undefined),
  };
}
