import { Transform } from 'node:stream';
import type { Gate, Guest } from '../gate.js';
import { longestWaitMs, type Limiter } from '../mqtt/limits.js';
import type { Segments } from '../proxy/segments.js';
import type { Timers } from '../proxy/sessions.js';

/** Whose limits count: a guest, and the traffic policy of the segment that it is in now, JSON. */
export type Paced = { guest: Guest; limits: string | undefined };

type Deps = { gate: Pick<Gate, 'segmentOf'>; segments: Pick<Segments, 'limiterOf'>; timers: Timers };

export type Pace = ReturnType<typeof createPace>;

/** Holds requests, and what they carry, to the limits of segments. */
export function createPace({ gate, segments, timers }: Deps) {
  const limiterOf = ({ guest, limits }: Paced): Limiter | undefined =>
    limits === undefined ? undefined : segments.limiterOf(gate.segmentOf(guest), limits);

  /** Lets octets through, and none for as long as they cost. */
  const createBrake = (cost: (octets: number) => number): Transform => {
    let timer: unknown;
    const brake: Transform = new Transform({
      transform(octets: Buffer, _encoding, done) {
        const wait = cost(octets.length);
        if (wait === 0) return done(null, octets);
        brake.push(octets);
        timer = timers.set(done, wait);
      },
      destroy(error, done) {
        timers.clear(timer);
        done(error);
      },
    });
    return brake;
  };

  return {
    /** Counts a request, and waits for its turn. Resolves with false when it would have to wait for too long. */
    turn(paced: Paced): boolean | Promise<boolean> {
      const wait = limiterOf(paced)?.request() ?? 0;
      if (wait > longestWaitMs) return false;
      return wait === 0 || new Promise((resolve) => void timers.set(() => resolve(true), wait));
    },

    /** What octets of one request go through in each direction. The limits are looked at again for each piece. */
    brakes: (paced: Paced) => ({
      up: createBrake((octets) => limiterOf(paced)?.upward(octets) ?? 0),
      down: createBrake((octets) => limiterOf(paced)?.downward(octets) ?? 0),
    }),
  };
}
