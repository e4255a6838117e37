import { createClient, type Client } from '../../client/client.js';
import { systemClock } from '../../clock.js';
import { operatorSettings, type OperatorSettings } from '../../config.js';
import { asOperatorError } from './failures.js';
import type { Format, Output } from '../output/output.js';
import { targetOf } from './target.js';

/** What each command of operators may be told. */
export type CommonFlags = { output?: Format; context?: string };

/** What a command works with: a client of the server, what it writes to, and what it was told. */
export type Session = { client: Client; url: string; key: string; out: Output };

/** Where the command writes, without a server. */
export function outputOf(flags: CommonFlags, { colours }: OperatorSettings): Output {
  const { stdout } = process;
  const isTerminal = stdout.isTTY === true;
  return {
    format: flags.output ?? 'table',
    look: { width: isTerminal ? stdout.columns : undefined, colours: colours && isTerminal },
    write: (text) =>
      new Promise((resolve, reject) => stdout.write(text, (error) => (error ? reject(error) : resolve()))),
  };
}

/** Runs a command with a client of the server that its flags and the environment name. @throws OperatorError */
export async function withSession(flags: CommonFlags, work: (session: Session) => Promise<void>): Promise<void> {
  const settings = operatorSettings();
  const { url, key } = targetOf({ ...settings, now: systemClock() }, flags.context);
  try {
    await work({ url, key, client: createClient({ url, token: key }), out: outputOf(flags, settings) });
  } catch (error) {
    // What reads the output has had enough, as `head` does.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return;
    throw asOperatorError(error, url);
  }
}
