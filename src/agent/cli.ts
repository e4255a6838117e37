import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { accessToken, AgentError, provision, renew, type Identity } from './agent.js';

const usage = `usage: thingward agent <command> --out DIR [--ca FILE]

  provision   first boot: --server URL --enrollment TOKEN --name NAME [--type TYPE] [--attribute NAME=VALUE]...
              makes DIR/device.key (0600), device.crt, chain.pem; safe to kill and run again
  token       print an access token that is good now
  renew       renew the certificate when two thirds of its life are over; --force: at once
  run         stay, and keep certificate and token fresh

  --ca FILE   trust only these certificates (PEM); with them the clock of this machine may be wrong
  --enrollment-file FILE reads the token from a file, so that it does not stand in the list of processes
`;

const options = {
  out: { type: 'string' },
  ca: { type: 'string' },
  server: { type: 'string' },
  enrollment: { type: 'string' },
  'enrollment-file': { type: 'string' },
  name: { type: 'string' },
  type: { type: 'string' },
  attribute: { type: 'string', multiple: true },
  force: { type: 'boolean' },
  help: { type: 'boolean' },
} satisfies ParseArgsConfig['options'];

type Values = ReturnType<typeof parse>['values'];

const checkMs = 60_000;

/** The `thingward agent` command. @throws AgentError with what to do next */
export async function runAgent(args: string[]): Promise<void> {
  const { values, positionals } = parse(args);
  const [command] = positionals;
  if (values.help || command === undefined) return print(usage);
  const common = {
    out: required(values, 'out'),
    ...(values.ca === undefined ? {} : { ca: readFileSync(values.ca, 'utf8') }),
  };
  switch (command) {
    case 'provision':
      return print(provisionedText(await provision({ ...common, ...provisionValues(values) }), common.out));
    case 'token':
      return print(`${await accessToken(common)}\n`);
    case 'renew': {
      const { renewed, serialNumber, notAfter } = await renew({ ...common, force: values.force ?? false });
      return print(
        `${renewed ? 'renewed' : 'not due yet'}: certificate ${serialNumber} is good until ${notAfter.toISOString()}\n`,
      );
    }
    case 'run':
      return stay(common);
    default:
      throw new AgentError(`there is no agent command ${command}\n\n${usage}`);
  }
}

async function stay(common: { out: string; ca?: string }): Promise<void> {
  print('keeping certificate and token fresh; stop with Ctrl-C\n');
  for (;;) {
    try {
      const { renewed, serialNumber } = await renew(common);
      if (renewed) print(`renewed: certificate ${serialNumber}\n`);
      await accessToken(common);
    } catch (error) {
      process.stderr.write(`thingward agent: ${(error as Error).message}; trying again in a minute\n`);
    }
    await sleep(checkMs);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new AgentError(`${(error as Error).message}\n\n${usage}`);
  }
}

function provisionValues(values: Values) {
  const file = values['enrollment-file'];
  return {
    server: required(values, 'server'),
    enrollment: file === undefined ? required(values, 'enrollment') : readFileSync(file, 'utf8').trim(),
    name: required(values, 'name'),
    thingType: values.type,
    attributes: values.attribute && Object.fromEntries(values.attribute.map(attributeOf)),
  };
}

function attributeOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new AgentError(`--attribute ${text}: write NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function required(values: Values, name: 'out' | 'server' | 'enrollment' | 'name'): string {
  const value = values[name];
  if (value === undefined) throw new AgentError(`--${name} is missing\n\n${usage}`);
  return value;
}

function provisionedText({ thingName, account, serialNumber, notAfter }: Identity, out: string): string {
  return `${thingName} of ${account} holds certificate ${serialNumber} until ${notAfter.toISOString()}: ${out}/device.key, ${out}/device.crt, ${out}/chain.pem\n`;
}

function print(text: string): void {
  process.stdout.write(text);
}
