import { Command } from 'commander';

type Flags = { config: string };

/** The `thingward nats-callout` command. */
export function natsCommand(): Command {
  return new Command('nats-callout')
    .description('answer the auth callout of NATS: who may connect by MQTT, and what they may do')
    .requiredOption('--config <file>', 'the settings, such as nats.yaml')
    .addHelpText('after', '\nExample:\n  thingward nats-callout --config nats.yaml')
    .action(run);
}

async function run({ config }: Flags): Promise<void> {
  const { serveNatsCallout } = await import('../nats/serve.js');
  const { createLogger } = await import('../logging.js');
  await serveNatsCallout(config, createLogger('info'));
}
