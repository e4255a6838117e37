import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { Identity, Wait } from './agent.js';
import { AgentError } from './errors.js';

type Folder = { out: string; ca?: string };

type ProvisionFlags = Folder & {
  server: string;
  enrollment?: string;
  enrollmentFile?: string;
  name: string;
  type?: string;
  attribute?: Record<string, string>;
};

const checkMs = 60_000;
const checksOfLookUp = 60;

// The agent itself is loaded when a command runs: help needs none of it.
const agent = () => import('./agent.js');

/** The `thingward agent` commands. They throw AgentError with what to do next. */
export function agentCommand(): Command {
  return new Command('agent')
    .description('the device side: an identity on first boot, kept fresh')
    .addCommand(provisionCommand())
    .addCommand(
      onFolder('token', 'print an access token that is valid now').action(async (flags: Folder) =>
        print(`${await (await agent()).accessToken(folderOf(flags))}\n`),
      ),
    )
    .addCommand(
      onFolder('renew', 'renew the certificate after two thirds of its lifetime')
        .option('--force', 'renew at once')
        .action(renewNow),
    )
    .addCommand(onFolder('run', 'keep running, and keep certificate and token fresh').action(stay));
}

function onFolder(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption('--out <dir>', 'the folder with device.key, device.crt and chain.pem')
    .option('--ca <file>', 'trust only these certificates (PEM); with them the clock of this machine may be wrong')
    .addHelpText('after', `\nExample:\n  thingward agent ${name} ${examples[name]}`);
}

const examples: Record<string, string> = {
  provision: '--server https://things.example.com --enrollment-file token.txt --name pump-17 --out ./pump-17',
  token: '--out ./pump-17',
  renew: '--out ./pump-17 --force',
  run: '--out ./pump-17',
};

function provisionCommand(): Command {
  return onFolder('provision', 'first boot: generates the key and gets the certificate; safe to kill and run again')
    .requiredOption('--server <url>', 'the server')
    .requiredOption('--name <name>', 'the name of this device')
    .option('--enrollment <token>', 'the enrollment token, twe_...')
    .option('--enrollment-file <file>', 'a file that contains it, so that the list of processes does not show it')
    .option('--type <type>', 'the type of this device')
    .option('--attribute <name=value>', 'an attribute; may be repeated', addAttribute)
    .action(provisionNow);
}

function addAttribute(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write NAME=VALUE.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

async function provisionNow({ server, name, type, attribute, ...flags }: ProvisionFlags): Promise<void> {
  const { provision } = await agent();
  const enrollment = enrollmentOf(flags);
  const wanted = { server, enrollment, name, thingType: type, attributes: attribute };
  const identity = await provision({ ...folderOf(flags), ...wanted, onWaiting: sayWaiting });
  print(provisionedText(identity, flags.out));
}

function sayWaiting({ id }: Wait): void {
  process.stderr.write(
    `thingward agent: waiting for an operator to approve this device, as ${id} (POST /v1/waiting/${id}/approve); stop and run again at any time\n`,
  );
}

function enrollmentOf({ enrollment, enrollmentFile }: Pick<ProvisionFlags, 'enrollment' | 'enrollmentFile'>): string {
  if (enrollmentFile !== undefined && enrollment === undefined) return readText(enrollmentFile).trim();
  if (enrollmentFile === undefined && enrollment !== undefined) return enrollment;
  throw new AgentError('give --enrollment TOKEN or --enrollment-file FILE: one of them');
}

function folderOf({ out, ca }: Folder): Folder {
  return { out, ...(ca === undefined ? {} : { ca: readText(ca) }) };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new AgentError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

async function renewNow({ force = false, ...flags }: Folder & { force?: boolean }): Promise<void> {
  const { renew } = await agent();
  const { renewed, serialNumber, notAfter } = await renew({ ...folderOf(flags), force });
  const what = renewed ? 'renewed' : 'not due yet';
  print(`${what}: certificate ${serialNumber} is valid until ${notAfter.toISOString()}\n`);
}

async function stay(flags: Folder): Promise<void> {
  const { accessToken, lookUp, renew } = await agent();
  const folder = folderOf(flags);
  print('keeping certificate and token fresh; stop with Ctrl-C\n');
  for (let round = 0; ; round++) {
    try {
      const { renewed, serialNumber } = await renew(folder);
      if (renewed) print(`renewed: certificate ${serialNumber}\n`);
      await accessToken(folder);
      if (round % checksOfLookUp === 0) await lookUp(folder);
    } catch (error) {
      process.stderr.write(`thingward agent: ${(error as Error).message}; trying again in a minute\n`);
    }
    await sleep(checkMs);
  }
}

function provisionedText({ thingName, account, serialNumber, notAfter }: Identity, out: string): string {
  return `${thingName} of ${account} holds certificate ${serialNumber} until ${notAfter.toISOString()}: ${out}/device.key, ${out}/device.crt, ${out}/chain.pem\n`;
}

function print(text: string): void {
  process.stdout.write(text);
}
