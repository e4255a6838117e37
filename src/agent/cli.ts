import { Command, InvalidArgumentError } from 'commander';
import type { Wait } from './agent.js';
import { acting, folderOf, hook, onFolder, print, readText, withHook, type Flags } from './cli/command-shape.js';
import { UsageError } from './errors.js';
import { runCommand } from './cli/run-command.js';
import { verifyCommand } from './cli/verify-command.js';

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
    .addCommand(runCommand())
    .addCommand(verifyCommand());
}

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
