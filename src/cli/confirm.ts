import { createInterface } from 'node:readline/promises';
import { ConfigError } from '../config.js';

/**
 * Asks before something that cannot be undone. Resolves when the person at the terminal types `yes`, or when `--yes`
 * was given. @throws ConfigError otherwise, and without a terminal to ask on
 */
export async function confirm(what: string, { yes = false }: { yes?: boolean }): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY)
    throw new ConfigError(`${what} This cannot be undone: add --yes to continue without a question`);
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // The end of the input is no answer, and would never settle the question.
  const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  const asked = terminal.question(`${what} This cannot be undone. Type yes to continue: `);
  const answer = await Promise.race([asked, ended]);
  terminal.close();
  if (answer.trim() !== 'yes') throw new ConfigError('nothing was changed');
}
