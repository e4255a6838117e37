#!/usr/bin/env node
import { AgentError } from './agent/errors.js';
import { ConfigError, loadConfig } from './config.js';
import { DomainError } from './errors.js';

const usage = `usage: thingward <command>

  serve                      run the server (settings come from the environment, see .env.example)
  agent <command>            the device side: thingward agent --help
  revocation verify URL      look at a server's lists, OCSP and feed from outside
  owner-key [ACCOUNT]        make a new owner key for an account whose owner lost theirs
  rotate-token-key           publish a new key for access tokens; it signs ten minutes later
  restored                   run once after restoring a backup: begins a new epoch
`;

// Each command loads only what it needs: an agent on a small device has no use for a database.
async function run([command, ...rest]: string[]): Promise<void> {
  switch (command) {
    case 'serve':
      return (await import('./serve.js')).serve(loadConfig());
    case 'agent':
      return (await import('./agent/cli.js')).runAgent(rest);
    case 'revocation':
      return (await import('./observer/cli.js')).runRevocation(rest);
    case 'owner-key':
      return (await import('./operator-commands.js')).ownerKey(loadConfig(), rest[0] ?? 'default');
    case 'rotate-token-key':
      return (await import('./operator-commands.js')).rotateTokenKey(loadConfig());
    case 'restored':
      return (await import('./operator-commands.js')).newEpoch(loadConfig());
    case undefined:
    case 'help':
    case '--help':
      return void process.stdout.write(usage);
    default:
      throw new ConfigError(`there is no command ${command}\n\n${usage}`);
  }
}

run(process.argv.slice(2)).catch((error: unknown) => {
  const expected = error instanceof ConfigError || error instanceof DomainError || error instanceof AgentError;
  const text = expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`thingward: ${text}\n`);
  process.exitCode = 1;
  // Whatever is still open must not keep a failed start alive.
  setTimeout(() => process.exit(1), 1000).unref();
});
