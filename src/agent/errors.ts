/** The exit codes of the agent; docs/devices.md lists them. `later`: run it again, `never`: that changes nothing. */
export const exitCodes = { failed: 1, usage: 2, never: 3, later: 4 } as const;

type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The agent could not do what it was asked to; the message says what to do next. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  /** Whether running it again may help: without a change it will not. */
  readonly exitCode: ExitCode = exitCodes.never;

  constructor(
    message: string,
    /** The server's problem type without its prefix, such as `thing-exists`, when the server refused. */
    readonly code?: string,
    /** The server's own time, when it told. */
    readonly serverTime?: string,
  ) {
    super(message);
  }
}

/** What may be over later: the network or the server is away, or somebody else is not ready. */
export class LaterError extends AgentError {
  override readonly exitCode = exitCodes.later;
}

/** What is wrong with the command. */
export class UsageError extends AgentError {
  override readonly exitCode = exitCodes.usage;
}
