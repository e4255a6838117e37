import type { Failure } from '../../edge/decider/control-plane.js';

/** The lines when the control plane cannot be followed, by the kind of failure. */
export const followingWords: Readonly<Record<Failure | '', string>> = {
  away: 'the control plane is away: nothing more is ended until it is back',
  refused: 'the control plane refuses this reaper: nothing more is ended',
  'start-anew': 'everything is read again from the control plane',
  rejected: 'the control plane rejects what this reaper asks',
  '': 'the log cannot be followed',
};
