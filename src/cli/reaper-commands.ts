import { Command } from 'commander';

type Flags = { config?: string };

const configFlag = ['--config <file>', 'the settings, such as reaper.yaml'] as const;

/** The `thingward reaper` commands. */
export function reaperCommand(): Command {
  const check = new Command('check')
    .description('validate the settings, ask the server and every broker, and say in words what will be ended')
    .option(...configFlag)
    .addHelpText(
      'after',
      '\nThe exit code is 1 if something is wrong.\n\nExample:\n  thingward reaper check --config reaper.yaml',
    )
    .action(runCheck);
  return new Command('reaper')
    .description('end live sessions at brokers when something is revoked, and confirm it')
    .option(...configFlag)
    .enablePositionalOptions()
    .addHelpText(
      'after',
      '\nExamples:\n  thingward reaper --config reaper.yaml\n  thingward reaper check --config reaper.yaml',
    )
    .action(runReaper)
    .addCommand(check);
}

async function runReaper(_flags: Flags, command: Command): Promise<void> {
  const { serveReaper } = await import('../reaper/serve.js');
  const { createLogger } = await import('../logging.js');
  const { variableOf } = await import('../config.js');
  await serveReaper(requireConfig(command), (name) => variableOf(name), createLogger('info'));
}

async function runCheck(_flags: Flags, command: Command): Promise<void> {
  const { checkReaper } = await import('../reaper/check.js');
  const { variableOf } = await import('../config.js');
  const { systemClock } = await import('../clock.js');
  const wrong = await checkReaper(requireConfig(command), {
    fetch,
    variable: (name) => variableOf(name),
    machineNow: () => systemClock().getTime(),
    say: {
      step: (holds, what) => void process.stdout.write(`${holds ? 'ok ' : 'BAD'}  ${what}\n`),
      line: (text) => void process.stdout.write(`     ${text}\n`),
    },
  });
  process.stdout.write(wrong === 0 ? '\nThis reaper can run.\n' : `\n${wrong} things are wrong.\n`);
  if (wrong > 0) process.exitCode = 1;
}

/** The flag of a command or of the one above it, which takes it first. */
function requireConfig(command: Command): string {
  const { config } = command.optsWithGlobals<Flags>();
  return config ?? command.error("error: required option '--config <file>' not specified");
}
