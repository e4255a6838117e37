import type { Server } from 'node:https';
import { programCall } from './cli/program-call.js';
import { programVersion } from './cli/version.js';
import { systemClock } from './clock.js';
import { exposedSecrets, unknownSettings, type Config } from './config.js';
import { createLogger } from './logging.js';
import { doubtfulAddresses } from './settings/doubtful-addresses.js';
import { endedNode } from './settings/node-life.js';
import { openServer, type OpenServer } from './server.js';
import { onStopSignal } from './stopping.js';
import { followTlsFiles, withoutTickets } from './settings/tls-files.js';

const stopMs = 10_000;

/** Runs the server until SIGTERM or SIGINT, which let the requests in progress finish. */
export async function serve(config: Config): Promise<void> {
  const logger = createLogger(config.logLevel);
  const server = await openServer(config, {
    logger,
    tell: logger,
    onError: (error) => logger.error({ err: error }, 'following the log or publishing lists failed'),
  });
  const readers = [
    ...(config.tls ? [followTlsFiles(config.tls, server.app.server as Server, logger)] : []),
    ...(config.est && server.est
      ? [followTlsFiles(config.est.tls, server.est.server as Server, logger, withoutTickets)]
      : []),
  ];
  // It means "read your files again" to whoever sends it; by default it would end the process.
  process.on('SIGHUP', () => readers.forEach((read) => read()));
  for (const line of doubts(config)) logger.warn(line);
  greet(config, server);
  stopOnSignal(() => {
    logger.info('stopping: requests in progress are answered first');
    return server.stop();
  });
}

/** What is wrong with how the server is run, but keeps it from nothing. */
function doubts(config: Config): string[] {
  const aboutNode = endedNode(process.versions.node, systemClock());
  return [...exposedSecrets(), ...unknownSettings(), ...doubtfulAddresses(config), ...aboutNode];
}

function stopOnSignal(stop: () => Promise<void>): void {
  onStopSignal(() => {
    setTimeout(() => process.exit(1), stopMs).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`thingward: stopping failed: ${String(error)}\n`);
        process.exit(1);
      },
    );
  });
}

function greet(config: Config, { database, migrated, ownerKey, ownerLink }: OpenServer): void {
  const where = database.kind === 'embedded' ? `the embedded PostgreSQL in ${config.dataDir}` : 'PostgreSQL';
  const lines = [`Thingward ${programVersion()} listens on ${config.publicUrl} and keeps its data in ${where}.`];
  if (config.pki) lines.push(`Lists and OCSP are without TLS at ${config.pkiUrl} (port ${config.pki.port}).`);
  if (config.est) lines.push(`EST is at https://${config.est.host}:${config.est.port}/.well-known/est.`);
  if (migrated.length > 0) lines.push(`Migrations applied: ${migrated.join(', ')}`);
  if (ownerKey !== undefined) lines.push('', ...firstSteps(config.publicUrl, ownerKey, ownerLink));
  process.stdout.write(`${lines.join('\n')}\n`);
}

function firstSteps(url: string, ownerKey: string, ownerLink: string | undefined): string[] {
  const call = programCall(process.argv[1]);
  return [
    `The owner key of the account default, shown this once (lost? ${call} owner-key):`,
    '',
    `  ${ownerKey}`,
    '',
    `The first person signs in through this link, once within 24 hours (lost? ${call} owner-link):`,
    '',
    `  ${ownerLink}`,
    '',
    'First device in three commands:',
    '',
    `  ENROLLMENT=$(curl -sS ${url}/v1/enrollments -H 'authorization: Bearer ${ownerKey}' -H 'content-type: application/json' -d '{"thingNamePattern":"*","maxUses":10}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`,
    '',
    `  ${call} agent provision --server ${url} --enrollment "$ENROLLMENT" --name pump-1 --out ./pump-1`,
    '',
    '  openssl verify -x509_strict -CAfile ./pump-1/chain.pem ./pump-1/device.crt',
    '',
  ];
}
