#!/usr/bin/env node
import { CommanderError } from 'commander';
import { createProgram } from './cli/program.js';

const exitCodes = { failed: 1, usage: 2 };
// By name, so that an agent on a small device loads no more than the agent.
const expected = [
  'ConfigError',
  'DomainError',
  'AgentError',
  'EdgeConfigError',
  'EdgeStartError',
  'DoctorError',
  'OperatorError',
];

async function run(given: string[]): Promise<void> {
  const asksVersion = given.includes('-V') || given.includes('--version');
  await createProgram().parseAsync(asksVersion ? ['version'] : given, { from: 'user' });
}

const args = process.argv.slice(2);

run(args).catch((error: unknown) => {
  // Help was asked for, or there was no command: it has been printed.
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')) return;
  const text = textOf(error);
  // The agent was asked for JSON.
  process.stderr.write(text.startsWith('{') ? `${text}\n` : `thingward: ${text}\n`);
  process.exitCode = exitCodeOf(error);
  // Whatever is still open must not keep a failed start alive.
  setTimeout(() => process.exit(), 1000).unref();
});

/** The exit code of a failure: its own, if it has one. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return exitCodes.usage;
  const { exitCode } = (error ?? {}) as { exitCode?: unknown };
  return typeof exitCode === 'number' ? exitCode : exitCodes.failed;
}

function textOf(error: unknown): string {
  if (error instanceof CommanderError) return `${lineOf(error.message)}; see: ${helpFor(args)}`;
  if (!(error instanceof Error)) return String(error);
  return expected.includes(error.name) ? error.message : (error.stack ?? error.message);
}

/** Commander's message in one line. */
function lineOf(message: string): string {
  return message.replace('error: ', '').replaceAll('\n', ' ').replace(/\.$/, '');
}

/** The command that prints the help of what was asked for. */
function helpFor(given: string[]): string {
  let command = createProgram();
  const path = ['thingward'];
  for (const name of given) {
    const next = command.commands.find((each) => each.name() === name);
    if (!next) break;
    path.push(name);
    command = next;
  }
  return [...path, '--help'].join(' ');
}
