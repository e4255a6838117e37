import type { Duplex } from 'node:stream';
import type { Frames } from '../mqtt-packets/frames.js';
import type { Timers } from './options.js';

/** Why a side is not read. */
export const cause = {
  /** The handshake, a hook or the gate is not done. */
  waiting: 1,
  /** The other side takes no more. */
  full: 2,
  /** A limit of the segment. */
  pace: 4,
  /** The broker has to answer subscriptions first. */
  pending: 8,
  /** The side itself does not read what it is sent. */
  backlog: 16,
  ended: 32,
  /** What it sent is not kept yet. */
  keeping: 64,
} as const;

export type Flow = ReturnType<typeof createFlow>;

type FlowOptions = {
  stream: Duplex;
  frames: Frames;
  timers: Timers;
  /** Runs what takes packets: a fault ends the session. */
  guard(work: () => void): void;
  /** The last cause is gone, and nothing waits. */
  onRelease(): void;
};

/** Reads a stream into frames, while no cause holds it. */
export function createFlow({ stream, frames, timers, guard, onRelease }: FlowOptions) {
  let causes = 0;
  let pausedUntil = 0;
  let timer: unknown;

  const hold = (why: number): void => {
    if (causes === 0) stream.pause();
    causes |= why;
    frames.stop();
  };

  const release = (why: number): void => {
    if ((causes & why) === 0) return;
    causes &= ~why;
    if (causes !== 0) return;
    guard(frames.resume);
    if (causes !== 0) return;
    onRelease();
    stream.resume();
  };

  const wake = (): void => {
    const left = pausedUntil - timers.now();
    if (left > 0) timer = timers.setTimeout(wake, left);
    else release(cause.pace);
  };

  return {
    hold,
    release,
    /** True for any cause, or any of these. */
    isHeld: (of = -1): boolean => (causes & of) !== 0,

    /** Holds for some milliseconds. */
    pause(ms: number): void {
      if (ms <= 0) return;
      const until = timers.now() + ms;
      if (until <= pausedUntil) return;
      pausedUntil = until;
      if ((causes & cause.pace) !== 0) return;
      hold(cause.pace);
      timer = timers.setTimeout(wake, ms);
    },

    /** Holds permanently. */
    end(): void {
      hold(cause.ended);
      frames.clear();
      timers.clearTimeout(timer);
    },
  };
}
