#!/usr/bin/env node
import { CommanderError } from 'commander';
import { agentCommand } from './cli.js';
import { AgentError, exitCodes } from './errors.js';

/** The agent as a program by itself: `thingward-agent`. */
const program = agentCommand().name('thingward-agent').version(version(), '-V, --version', 'print the version');
// The same commands stand below another program too.
const own = (text: string): string => text.replaceAll('thingward agent', 'thingward-agent');
for (const command of [program, ...program.commands])
  command.exitOverride().configureOutput({
    writeOut: (text) => process.stdout.write(own(text)),
    outputError: () => {},
  });

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')) return;
  process.exitCode = exitCodeOf(error);
  const isJson = process.argv.includes('--json') && error instanceof AgentError;
  process.stderr.write(isJson ? `${error.message}\n` : `thingward-agent: ${own(textOf(error))}\n`);
});

function exitCodeOf(error: unknown): number {
  if (error instanceof AgentError) return error.exitCode;
  return error instanceof CommanderError ? exitCodes.usage : exitCodes.failed;
}

function textOf(error: unknown): string {
  if (error instanceof CommanderError)
    return `${error.message.replace('error: ', '').replaceAll('\n', ' ').replace(/\.$/, '')}; see: thingward-agent --help`;
  if (error instanceof AgentError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

declare const agentVersion: string;

/** The version, which the build of the package writes here. */
function version(): string {
  return typeof agentVersion === 'undefined' ? '0.0.0' : agentVersion;
}
