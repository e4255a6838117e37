import { Argument, Command } from 'commander';
import { campaignCommands } from './campaign-commands.js';
import { certificateCommands } from './certificate-commands.js';
import { shells, type Shell } from './completion.js';
import { configurationCommands } from './configuration-commands.js';
import { contextCommands } from './context-commands.js';
import { decidingCommands } from './deciding-commands.js';
import { enrollmentCommands } from './enrollment-commands.js';
import { groupCommands } from './group-commands.js';
import { policyCommands } from './policy-commands.js';
import { thingCommands } from './thing-commands.js';
import { waitingCommands } from './waiting-commands.js';
import { watchingCommands } from './watching-commands.js';

/** The commands of operators, over the public API. */
export function apiCommands(): Command[] {
  return [
    ...contextCommands(),
    thingCommands(),
    groupCommands(),
    campaignCommands(),
    certificateCommands(),
    enrollmentCommands(),
    waitingCommands(),
    policyCommands(),
    ...configurationCommands(),
    ...decidingCommands(),
    ...watchingCommands(),
    completion(),
  ];
}

const completion = (): Command =>
  new Command('completion')
    .description('print a script that completes commands and flags')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText('after', '\nExample:\n  source <(thingward completion bash)')
    .action(async (shell: Shell, _flags: object, command: Command) => {
      const { completionOf } = await import('./completion.js');
      process.stdout.write(completionOf(command.parent!, shell));
    });
