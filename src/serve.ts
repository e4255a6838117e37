import type { Server } from 'node:https';
import { memorySeconds } from './authorize/memory.js';
import { addSeconds, systemClock } from './clock.js';
import { ConfigError, exposedSecrets, type Config } from './config.js';
import type { Database } from './db/client.js';
import { DomainError } from './errors.js';
import { createLogger } from './logging.js';
import { systemOrigin } from './origin.js';
import { noticeOldZones } from './policies/zone-notice.js';
import { openResources, type OpenResources } from './resources.js';
import { followTlsFiles } from './tls-files.js';

const keyReloadMs = 30_000;
const sweepMs = 3_600_000;
const sampleMs = 1000;
const headMs = 5000;
const lastSeenMs = 15_000;
const pruneMs = 60_000;
const listsMs = 60_000;
const bulkMs = 5000;
const mirrorMs = 500;
const progressMs = 10_000;
const zoneNoticeMs = 86_400_000;
const stopMs = 10_000;

/** Runs the server until SIGTERM or SIGINT, which let the requests in progress finish. */
export async function serve(config: Config): Promise<void> {
  const logger = createLogger(config.logLevel);
  const onError = (error: unknown) => logger.error({ err: error }, 'following the log or publishing lists failed');
  // Read while the database opens.
  const [resources, { buildApp, version }] = await Promise.all([
    openResources(config, systemClock, onError),
    import('./app.js'),
  ]);
  const ownerKey = await ensureDefaultAccount(resources, config);
  const app = await buildApp({
    config,
    services: resources.services,
    clock: systemClock,
    async checkReady() {
      await pingDatabase(resources.database.client);
      resources.services.log.requireLease();
      resources.services.publisher.requireHealthy();
    },
    logger,
  });
  const onChoreError = (error: unknown, chore: string) => logger.error({ err: error }, `${chore} failed`);
  const timers = startChores(resources, onChoreError);
  const noticeZones = () => noticeOldZones((fields, message) => logger.warn(fields, message), systemClock);
  noticeZones();
  timers.push(tellOfMirror(resources, logger), setInterval(noticeZones, zoneNoticeMs).unref());
  resources.services.publisher.refresh().catch((error: unknown) => onChoreError(error, 'signing lists again'));
  app.server.maxConnections = 20_000;
  await app.listen({ host: config.host, port: config.port }).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError(
      `cannot listen on ${config.host} port ${config.port} (${error.code}): set THINGWARD_HOST and THINGWARD_PORT to an address that is free`,
    );
  });
  const readTls = config.tls ? followTlsFiles(config.tls, app.server as Server, logger) : () => {};
  // It means "read your files again" to whoever sends it; by default it would end the process.
  process.on('SIGHUP', readTls);
  for (const line of exposedSecrets()) logger.warn(line);
  greet(version, config, resources, ownerKey);
  stopOnSignal(async () => {
    timers.forEach(clearInterval);
    await app.close();
    await resources.close();
  });
}

/** Makes the account `default` on the first start. Returns its owner key to the instance that made it. */
async function ensureDefaultAccount({ services }: OpenResources, config: Config): Promise<string | undefined> {
  if (await services.accounts.exists('default')) return undefined;
  try {
    const { ownerKey } = await services.accounts.create({ name: 'default' }, systemOrigin, config.ownerKey);
    return config.ownerKey === undefined ? ownerKey : undefined;
  } catch (error) {
    // Another instance that started at the same time was first.
    if (error instanceof DomainError && error.code === 'account-exists') return undefined;
    throw error;
  }
}

async function pingDatabase(db: Database): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>(
    (_, reject) => (timer = setTimeout(() => reject(new Error('the database is slow')), 2000)),
  );
  try {
    await Promise.race([db.$queryRaw`SELECT 1 FROM log_head`, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A long queue is long work: the log says how it shrinks. */
function tellOfMirror({ services }: OpenResources, logger: ReturnType<typeof createLogger>): NodeJS.Timeout {
  let before = 0;
  const tell = async (): Promise<void> => {
    const { done } = services.mirror.counts;
    const ran = done - before;
    before = done;
    if (ran === 0) return;
    const { pending, failed } = await services.mirrorQueue();
    logger.info({ pending, failed, ran }, `mirroring into AWS: ${pending} to go, ${failed} failed`);
  };
  return setInterval(() => void tell().catch(() => {}), progressMs).unref();
}

function startChores({ services }: OpenResources, onError: (error: unknown, chore: string) => void): NodeJS.Timeout[] {
  const repeat = (chore: string, ms: number, work: () => Promise<void>) =>
    setInterval(() => void work().catch((error: unknown) => onError(error, chore)), ms).unref();
  return [
    repeat('reading the token keys', keyReloadMs, services.tokenKeys.reload),
    repeat('sweeping', sweepMs, () => services.tokenStore.sweep(systemClock())),
    repeat('writing the sample of decisions', sampleMs, services.recorder.flush),
    repeat('ending streams of keys that expired', sampleMs, async () => services.stream.endExpired()),
    repeat('telling followers where the log stands', headMs, async () => {
      // A follower takes a head for word that it is up to date: without a lease nobody here knows.
      if (services.log.mayAnswer()) services.stream.head(services.log.position());
    }),
    repeat('writing when things were last seen', lastSeenMs, services.lastSeen.flush),
    repeat('pruning the sample of decisions', pruneMs, services.records.prune),
    repeat('signing lists again', listsMs, services.publisher.refresh),
    repeat('pruning the log', sweepMs, async () => void (await services.pruneLog())),
    repeat('resuming bulk revocations', bulkMs, services.bulk.resume),
    repeat('freeing names of deleted things', pruneMs, services.revoking.freeNames),
    repeat('pruning receipts', sweepMs, services.proxies.prune),
    repeat('mirroring into AWS', mirrorMs, services.mirror.tick),
    repeat('comparing with AWS', mirrorMs, services.reconciler.tick),
    repeat('importing from AWS', mirrorMs, services.importer.tick),
    repeat('forgetting old changes', pruneMs, async () =>
      services.snapshot.prune(addSeconds(systemClock(), -memorySeconds)),
    ),
  ];
}

function stopOnSignal(stop: () => Promise<void>): void {
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
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
}

function greet(
  version: string,
  config: Config,
  { database, migrated }: OpenResources,
  ownerKey: string | undefined,
): void {
  const where = database.kind === 'embedded' ? `the embedded PostgreSQL in ${config.dataDir}` : 'PostgreSQL';
  const lines = [`Thingward ${version} listens on ${config.publicUrl} and keeps its data in ${where}.`];
  if (migrated.length > 0) lines.push(`Migrations applied: ${migrated.join(', ')}`);
  if (ownerKey !== undefined) lines.push('', ...firstSteps(config.publicUrl, ownerKey));
  process.stdout.write(`${lines.join('\n')}\n`);
}

function firstSteps(url: string, ownerKey: string): string[] {
  return [
    'The owner key of the account default, shown this once (lost? npx thingward owner-key):',
    '',
    `  ${ownerKey}`,
    '',
    'First device in three commands:',
    '',
    `  ENROLLMENT=$(curl -sS ${url}/v1/enrollments -H 'authorization: Bearer ${ownerKey}' -H 'content-type: application/json' -d '{"thingNamePattern":"*","maxUses":10}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')`,
    '',
    `  npx thingward agent provision --server ${url} --enrollment "$ENROLLMENT" --name pump-1 --out ./pump-1`,
    '',
    '  openssl verify -x509_strict -CAfile ./pump-1/chain.pem ./pump-1/device.crt',
    '',
  ];
}
