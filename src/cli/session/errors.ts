/**
 * The exit codes of the operator's command line. They are stable: docs/cli.md lists them, and a test compares the two.
 * Without an entry here, what a person interrupts ends with 130, as programs do.
 */
export const exitCodes = {
  done: 0,
  difference: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
} as const;

/** What ends a command with one sentence, which says what to do next, and with an exit code of the table. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';

  constructor(
    message: string,
    readonly exitCode: number = exitCodes.usage,
  ) {
    super(message);
  }
}
