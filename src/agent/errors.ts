/** The agent could not do what it was asked to; the message says what to do next. */
export class AgentError extends Error {
  override readonly name = 'AgentError';

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
