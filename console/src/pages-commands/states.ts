import type { Schemas } from '../api.js';

/** The state of a command, as the API names it. */
export type CommandState = Schemas['ListedCommand']['status'];

/** What each state means, in the order in which a command comes to them. */
export const meanings: Record<CommandState, string> = {
  queued: 'It waits for the thing to connect to an edge.',
  delivered: 'The broker has it. The device has not answered yet.',
  acknowledged: 'The device did it.',
  failed: 'The device did not do it, or it could not be sent.',
  expired: 'No edge took it in time. It was never sent.',
  unknown: 'It may have been sent, and nobody answered. It is not sent again.',
};

/** How each state stands out. */
export const toneOf: Record<CommandState, 'good' | 'warn' | 'bad' | ''> = {
  queued: '',
  delivered: '',
  acknowledged: 'good',
  failed: 'bad',
  expired: 'warn',
  unknown: 'warn',
};

/** The states, by name. */
export const commandStates = Object.keys(meanings) as CommandState[];

/** Whether more may become of it. A late answer still counts for one that is `unknown`, but nobody waits for that. */
export const isOpen = (status: CommandState): boolean => status === 'queued' || status === 'delivered';

/** What a command is now, in a sentence. */
export const meaningOf = ({ status, claimedAt }: Schemas['ListedCommand']): string =>
  status === 'queued' && claimedAt !== undefined
    ? 'An edge took it. The broker has not confirmed it yet.'
    : meanings[status];
