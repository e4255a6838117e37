import { Command } from 'commander';
import { agentCommand } from '../agent/cli.js';
import { doctorCommand } from './doctor-command.js';
import { edgeCommand } from './edge-commands.js';
import { natsCommand } from './nats-command.js';
import { reaperCommand } from './reaper-commands.js';
import { observerCommand } from '../observer/cli.js';
import { apiCommands } from './operator/commands.js';
import type { RestoredFlags } from './operator-commands.js';
import { rootCommands } from './root-program.js';
import { versionText } from './version.js';

const yesFlag = ['-y, --yes', 'do not ask: for scripts, which have no terminal'] as const;

/**
 * The whole command line. Unknown flags and surplus arguments are refused, and each command loads what it needs only
 * when it runs: help starts nothing, and an agent on a small device has no use for a database.
 */
export function createProgram(): Command {
  const program = new Command('thingward')
    .description('Device identity and policy for edge fleets.')
    .option('-V, --version', 'print the version of the program and of its time zone data')
    .addHelpText(
      'after',
      '\nSettings come from the environment: see .env.example.\nExamples:\n  thingward serve\n  thingward agent provision --help',
    );
  const commands = [
    serveCommand(),
    agentCommand(),
    edgeCommand(),
    natsCommand(),
    reaperCommand(),
    doctorCommand(),
    observerCommand(),
    ...operatorCommands(),
    ...rootCommands(),
    ...apiCommands(),
    versionCommand(),
  ];
  commands.forEach((command) => program.addCommand(command));
  return throwing(program);
}

/** Makes a command and those below it throw what is wrong, for main.ts to say, instead of ending the process. */
function throwing(command: Command): Command {
  command.exitOverride().configureOutput({ outputError: () => {} });
  command.commands.forEach(throwing);
  return command;
}

function serveCommand(): Command {
  return new Command('serve')
    .description('run the server')
    .addHelpText(
      'after',
      '\nExamples:\n  thingward serve\n  THINGWARD_DATA_DIR=/var/lib/thingward thingward serve\n  DATABASE_URL=postgresql://db/thingward THINGWARD_KEY_FILE=/run/secrets/key thingward serve',
    )
    .action(async () => (await import('../serve.js')).serve(await config()));
}

function versionCommand(): Command {
  return new Command('version')
    .description('print the version of the program and of its time zone data')
    .addHelpText('after', '\nExample:\n  thingward version')
    .action(async () => void process.stdout.write(await versionText()));
}

const config = async () => (await import('../config.js')).loadConfig();
const commands = () => import('./operator-commands.js');

function operatorCommands(): Command[] {
  return [
    new Command('owner-key')
      .description('create a new owner key for an account whose owner lost theirs')
      .argument('[account]', 'the account', 'default')
      .addHelpText('after', '\nExamples:\n  thingward owner-key\n  thingward owner-key acme')
      .action(async (account: string) => (await commands()).ownerKey(await config(), account)),
    new Command('owner-link')
      .description('create a link that makes another owner of an account, for people who lost every way in')
      .argument('[account]', 'the account', 'default')
      .addHelpText('after', '\nExamples:\n  thingward owner-link\n  thingward owner-link acme')
      .action(async (account: string) => (await commands()).ownerLink(await config(), account)),
    new Command('rotate-token-key')
      .description('publish a new key for access tokens; it signs ten minutes later')
      .option(...yesFlag)
      .addHelpText('after', '\nExample:\n  thingward rotate-token-key --yes')
      .action(async (flags: { yes?: true }) => (await commands()).rotateTokenKey(await config(), flags)),
    new Command('reseal')
      .description(
        'seal every key and secret with THINGWARD_KEY, while instances run; THINGWARD_KEY_PREVIOUS opens them',
      )
      .option(...yesFlag)
      .addHelpText(
        'after',
        '\nExample:\n  THINGWARD_KEY_FILE=/run/secrets/key THINGWARD_KEY_PREVIOUS_FILE=/run/secrets/old-key thingward reseal --yes',
      )
      .action(async (flags: { yes?: true }) => (await commands()).reseal(await config(), flags)),
    new Command('migrate')
      .description('apply the migrations of this version and end, for a server whose role may not change the schema')
      .addHelpText('after', '\nExample:\n  DATABASE_URL=postgresql://thingward_owner@db/thingward thingward migrate')
      .action(async () => (await commands()).migrateNow(await config())),
    new Command('restored')
      .description('run once after restoring a backup, with the server stopped: applies later revocations again')
      .option('--lists <file...>', 'lists that were saved after the backup: GET /crl/bundle.pem of every account')
      .option('--feed <file...>', 'signed snapshots that were saved after the backup: GET /v1/revocations/snapshot.jws')
      .option(
        '--accept-loss',
        'continue although no file names what was revoked: those certificates become valid again',
      )
      .option(...yesFlag)
      .addHelpText(
        'after',
        '\nExamples:\n  thingward restored --lists bundle.pem --feed snapshot.jws\n  thingward restored --lists default.pem acme.pem --yes',
      )
      .action(async (flags: RestoredFlags) => (await commands()).restored(await config(), flags)),
  ];
}
