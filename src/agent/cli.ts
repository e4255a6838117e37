import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Wait } from './agent.js';
import { UsageError } from './errors.js';

type Flags = { out: string; ca?: string; exec?: string; json?: true };

type ProvisionFlags = Flags & {
  server: string;
  enrollment?: string;
  enrollmentFile?: string;
  enrollmentId?: string;
  manufacturerCert?: string;
  manufacturerKey?: string;
  code?: string;
  name?: string;
  type?: string;
  attribute?: Record<string, string>;
};

// The agent itself is loaded when a command runs: help needs none of it.
const agent = () => import('./agent.js');
const hook = async () => (await import('./hook.js')).runHook;

/** The `thingward agent` commands. They throw AgentError with what to do next. */
export function agentCommand(): Command {
  return new Command('agent')
    .description('the device side: an identity on first boot, kept fresh')
    .addCommand(provisionCommand())
    .addCommand(onFolder('token', 'print an access token that is valid now').action(acting(tokenNow)))
    .addCommand(
      withHook(onFolder('renew', 'renew the certificate when two thirds of its life are over, or a little earlier'))
        .option('--force', 'renew at once')
        .action(acting(renewNow)),
    )
    .addCommand(
      withHook(onFolder('run', 'keep running, and keep certificate and token fresh'))
        .option('--once', 'look once and end, for timers: nothing stays in memory between')
        .addOption(
          new Option(
            '--mqtt <host:port>',
            'take commands from an edge, by TLS with the certificate of the device',
          ).argParser(edgeAddress),
        )
        .option(
          '--mqtt-ca <file>',
          'trust only these certificates (PEM) for the edge; by default whom the server is believed by',
        )
        .option('--client-id <id>', 'the MQTT client id; by default the name of the device')
        .option(
          '--on-command <command>',
          'run a command for each command that comes: the payload on stdin, its name as $1, its id as $2',
        )
        .addOption(
          new Option('--command-seconds <seconds>', 'how long it may run').default(60).argParser(commandSeconds),
        )
        .action(acting(stay)),
    );
}

function onFolder(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .requiredOption('--out <dir>', 'the folder with device.key, device.crt and chain.pem')
    .option('--ca <file>', 'trust only these certificates (PEM); with them the clock of this machine may be wrong')
    .option('--json', 'print JSON, and failures as JSON too')
    .addHelpText('after', `${exitCodesText}\nExample:\n  thingward agent ${name} ${examples[name]}`);
}

const withHook = (command: Command): Command =>
  command.option(
    '--exec <command>',
    'run a command when there is a new certificate, with the folder as $1; again until it succeeds',
  );

const exitCodesText =
  '\nExit codes: 0 done, 2 the command is wrong, 3 refused: running it again changes nothing, 4 run it again later.\n';

const examples: Record<string, string> = {
  provision: '--server https://things.example.com --enrollment-file token.txt --name pump-17 --out ./pump-17',
  token: '--out ./pump-17',
  renew: '--out ./pump-17 --force',
  run: "--out ./pump-17 --exec 'systemctl reload mosquitto'",
};

function provisionCommand(): Command {
  const description = 'first boot: generates the key and gets the certificate; safe to kill and run again';
  return withHook(onFolder('provision', description))
    .requiredOption('--server <url>', 'the server')
    .option('--name <name>', 'the name of this device; needed, except with a certificate of its manufacturer')
    .option('--enrollment <token>', 'the enrollment token, twe_...')
    .option('--enrollment-file <file>', 'a file that contains it, so that the list of processes does not show it')
    .option('--enrollment-id <id>', 'in place of a token: the enrollment that admits devices of its manufacturer')
    .option('--manufacturer-cert <file>', 'the certificate of the manufacturer (PEM), and the CAs between behind it')
    .option('--manufacturer-key <file>', 'its key (PEM)')
    .option('--code <code>', 'the one-time code of a thing that is expected with one')
    .option('--type <type>', 'the type of this device')
    .option('--attribute <name=value>', 'an attribute; may be repeated', addAttribute)
    .action(acting(provisionNow));
}

function addAttribute(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write NAME=VALUE.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** An action whose failures are AgentErrors: with --json their text is JSON. What is a bug stays as it is. */
function acting<Given extends Flags>(work: (flags: Given) => Promise<void>): (flags: Given) => Promise<void> {
  return async (flags) => {
    try {
      await work(flags);
    } catch (error) {
      const { asAgentError } = await import('./failures.js');
      throw asAgentError(error, flags);
    }
  };
}

async function provisionNow({ server, type, attribute, code, ...flags }: ProvisionFlags): Promise<void> {
  const { provision } = await agent();
  const wanted = { server, ...credentialOf(flags), code, thingType: type, attributes: attribute };
  const identity = await provision({ ...folderOf(flags), ...wanted, onWaiting: sayWaiting });
  const { thingName, account, serialNumber, notAfter } = identity;
  const { out } = flags;
  print(
    flags,
    { ...identity, out },
    `${thingName} of ${account} holds certificate ${serialNumber} until ${notAfter.toISOString()}: ${out}/device.key, ${out}/device.crt, ${out}/chain.pem`,
  );
  await (
    await hook()
  )(flags.exec, out);
}

function sayWaiting({ id }: Wait): void {
  process.stderr.write(
    `thingward agent: waiting for an operator to approve this device, as ${id} (POST /v1/waiting/${id}/approve); stop and run again at any time\n`,
  );
}

/** A token and a name, or the certificate of the manufacturer, which has both. */
function credentialOf(flags: Omit<ProvisionFlags, 'server'>) {
  const { name, enrollmentId, manufacturerCert: certificate, manufacturerKey: key } = flags;
  const given = [enrollmentId, certificate, key].filter((each) => each !== undefined);
  if (given.length === 0) {
    if (name === undefined) throw new UsageError('give --name NAME, the name of this device');
    return { enrollment: enrollmentOf(flags), name };
  }
  if (given.length < 3 || flags.enrollment !== undefined || flags.enrollmentFile !== undefined)
    throw new UsageError(
      'give --enrollment-id, --manufacturer-cert and --manufacturer-key together, and no enrollment token',
    );
  const manufacturer = { certificate: readText(certificate!), key: readText(key!) };
  return { enrollmentId: enrollmentId!, manufacturer, name };
}

function enrollmentOf({ enrollment, enrollmentFile }: Pick<ProvisionFlags, 'enrollment' | 'enrollmentFile'>): string {
  if (enrollmentFile !== undefined && enrollment === undefined) return readText(enrollmentFile).trim();
  if (enrollmentFile === undefined && enrollment !== undefined) return enrollment;
  throw new UsageError('give --enrollment TOKEN or --enrollment-file FILE: one of them');
}

function folderOf({ out, ca }: Flags): { out: string; ca?: string } {
  return { out, ...(ca === undefined ? {} : { ca: readText(ca) }) };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${(error as Error).message}): name another file`);
  }
}

async function tokenNow(flags: Flags): Promise<void> {
  const token = await (await agent()).accessToken(folderOf(flags));
  print(flags, { accessToken: token }, token);
}

async function renewNow({ force = false, ...flags }: Flags & { force?: boolean }): Promise<void> {
  const { renew } = await agent();
  const { renewed, serialNumber, notAfter } = await renew({ ...folderOf(flags), force });
  const what = renewed ? 'renewed' : 'not due yet';
  const text = `${what}: certificate ${serialNumber} is valid until ${notAfter.toISOString()}`;
  print(flags, { renewed, serialNumber, notAfter }, text);
  await (
    await hook()
  )(flags.exec, flags.out);
}

type StayFlags = Flags & {
  once?: true;
  mqtt?: { host: string; port: number };
  mqttCa?: string;
  clientId?: string;
  onCommand?: string;
  commandSeconds: number;
};

async function stay({ once, ...flags }: StayFlags): Promise<void> {
  const { keepFresh } = await import('./run.js');
  const { exec, out } = flags;
  const { mqtt, onCommand } = flags;
  if ((mqtt === undefined) !== (onCommand === undefined))
    throw new UsageError('give --mqtt HOST:PORT and --on-command COMMAND together');
  if (mqtt !== undefined && once) throw new UsageError('leave --once out: commands come while the agent runs');
  const announce = async (): Promise<void> => (await hook())(exec, out);
  const tell = (event: object, text: string): void => print(flags, event, text);
  const freshness = keepFresh(folderOf(flags), { once: once ?? false, announce, tell });
  await Promise.all([freshness, obey(flags, tell)]);
}

async function obey(flags: StayFlags, tell: (event: object, text: string) => void): Promise<void> {
  const { mqtt, mqttCa, clientId, onCommand, commandSeconds: seconds } = flags;
  if (mqtt === undefined || onCommand === undefined) return;
  const { serveCommands } = await import('./commands/serve.js');
  await serveCommands(folderOf(flags), {
    edge: mqtt,
    edgeCa: mqttCa === undefined ? undefined : readText(mqttCa),
    clientId,
    program: onCommand,
    programMs: seconds * 1000,
    tell,
    complain: (text) => void process.stderr.write(`thingward agent: ${text}\n`),
  });
}

function edgeAddress(text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new InvalidArgumentError('write HOST:PORT.');
  return { host, port: Number(port) };
}

function commandSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600)
    throw new InvalidArgumentError('write a number from 1 to 3600.');
  return seconds;
}

function print({ json }: Pick<Flags, 'json'>, value: object, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text}\n`);
}
