import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { UsageError } from '../errors.js';

/** What every command about a folder is given. */
export type Flags = { out: string; ca?: string; exec?: string; json?: true };

/** Runs what has to hear of a new certificate; loaded when a command runs. */
export const hook = async () => (await import('../hook.js')).runHook;

/** A command about the folder of a device. */
export function onFolder(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption('--out <dir>', 'the folder with device.key, device.crt and chain.pem')
    .option('--ca <file>', 'trust only these certificates (PEM); with them the clock of this machine may be wrong')
    .option('--json', 'print JSON, and failures as JSON too')
    .addHelpText('after', `${exitCodesText}\nExample:\n  thingward agent ${name} ${examples[name]}`);
}

/** The same with what has to hear of a new certificate. */
export const withHook = (command: Command): Command =>
  command.option(
    '--exec <command>',
    'run a command when there is a new certificate, with the folder as $1; again until it succeeds',
  );

/** What every command says at the end of its help. */
export const exitCodesText =
  '\nExit codes: 0 done, 2 the command is wrong, 3 refused: running it again changes nothing, 4 run it again later.\n';

const examples: Record<string, string> = {
  provision: '--server https://things.example.com --enrollment-file token.txt --name pump-17 --out ./pump-17',
  token: '--out ./pump-17',
  renew: '--out ./pump-17 --force',
  run: [
    "--out ./pump-17 --exec 'systemctl reload mosquitto'",
    `--out ./pump-17 --mqtt edge.example.com:8883 --on-command './on-command "$@"'`,
    '--out ./pump-17 --mqtt edge.example.com:8883 < messages.ndjson',
    '--out ./pump-17 --mqtt edge.example.com:8883 --socket ./publish --batch 100,60 --sign',
  ].join('\n  thingward agent run '),
};

/** An action whose failures are AgentErrors: with --json their text is JSON. What is a bug stays as it is. */
export function acting<Given extends Flags>(work: (flags: Given) => Promise<void>): (flags: Given) => Promise<void> {
  return async (flags) => {
    try {
      await work(flags);
    } catch (error) {
      const { asAgentError } = await import('../failures.js');
      throw asAgentError(error, flags);
    }
  };
}

/** The folder, and whom to trust. */
export function folderOf({ out, ca }: Flags): { out: string; ca?: string } {
  return { out, ...(ca === undefined ? {} : { ca: readText(ca) }) };
}

/** The text of a file. @throws UsageError */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${(error as Error).message}): name another file`);
  }
}

/** Prints JSON with `--json`, and a sentence without. */
export function print({ json }: Pick<Flags, 'json'>, value: object, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text}\n`);
}
