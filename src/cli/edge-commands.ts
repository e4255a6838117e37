import { Command } from 'commander';

type Flags = { config?: string };

const configFlag = ['--config <file>', 'the settings, such as edge.yaml'] as const;

/** The `thingward edge` commands. */
export function edgeCommand(): Command {
  const check = new Command('check')
    .description('validate the settings, ask the server, try the upstream, and say in words what will be let in')
    .option(...configFlag)
    .addHelpText(
      'after',
      '\nThe exit code is 1 if something is wrong.\n\nExample:\n  thingward edge check --config edge.yaml',
    )
    .action(runCheck);
  return (
    new Command('edge')
      .description('stand in front of a broker or an HTTP service, and decide there')
      // Not a required option: commander would ask for it before the name of a command below too.
      .option(...configFlag)
      .enablePositionalOptions()
      .addHelpText(
        'after',
        '\nExamples:\n  thingward edge --config edge.yaml\n  thingward edge check --config edge.yaml',
      )
      .action(runEdge)
      .addCommand(check)
  );
}

async function runEdge(_flags: Flags, command: Command): Promise<void> {
  const { serveEdge } = await import('../edge/proxy/serve.js');
  const { createLogger } = await import('../logging.js');
  const { systemClock } = await import('../clock.js');
  const { endedNode } = await import('../settings/node-life.js');
  const logger = createLogger('info');
  await serveEdge(requireConfig(command), logger);
  for (const line of endedNode(process.versions.node, systemClock())) logger.warn(line);
}

async function runCheck(_flags: Flags, command: Command): Promise<void> {
  const { checkEdge } = await import('../edge/proxy/check.js');
  const { systemClock } = await import('../clock.js');
  const wrong = await checkEdge(requireConfig(command), {
    fetch,
    machineNow: () => systemClock().getTime(),
    say: {
      step: (holds, what) => void process.stdout.write(`${holds ? 'ok ' : 'BAD'}  ${what}\n`),
      line: (text) => void process.stdout.write(`     ${text}\n`),
    },
  });
  process.stdout.write(wrong === 0 ? '\nThis edge can run.\n' : `\n${wrong} things are wrong.\n`);
  if (wrong > 0) process.exitCode = 1;
}

/** The flag of a command or of the one above it, which takes it first. */
function requireConfig(command: Command): string {
  const { config } = command.optsWithGlobals<Flags>();
  return config ?? command.error("error: required option '--config <file>' not specified");
}
