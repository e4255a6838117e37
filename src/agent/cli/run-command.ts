import { join } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { acting, folderOf, hook, onFolder, print, readText, withHook, type Flags } from './command-shape.js';
import { UsageError } from '../errors.js';
import type { BatchRule } from '../publish/batches.js';
import { addPublishOptions } from './publish-options.js';

type StayFlags = Flags & {
  once?: true;
  mqtt?: { host: string; port: number };
  mqttCa?: string;
  clientId?: string;
  keepAlive: number;
  onCommand?: string;
  commandSeconds: number;
  stdin: boolean;
  socket?: string;
  http?: number;
  queue?: string;
  queueBytes: number;
  queueFsync: 'always' | 'never';
  queueDropOldest?: true;
  batch?: BatchRule;
  sign?: true;
  exitWhenEmpty?: true;
};

/** `thingward agent run`. */
export function runCommand(): Command {
  const description = 'keep running: keep certificate and token fresh, publish what comes in, and take commands';
  const command = withHook(onFolder('run', description))
    .option('--once', 'look once and end, for timers: nothing stays in memory between')
    .addOption(
      new Option('--mqtt <host:port>', 'speak with an edge, by TLS with the certificate of the device').argParser(
        edgeAddress,
      ),
    )
    .option(
      '--mqtt-ca <file>',
      'trust only these certificates (PEM) for the edge; by default whom the server is believed by',
    )
    .option('--client-id <id>', 'the MQTT client id; by default the name of the device')
    .addOption(
      new Option('--keep-alive <seconds>', 'how long neither side may say nothing: less finds a dead line sooner')
        .default(60)
        .argParser(secondsFrom(10)),
    )
    .option(
      '--on-command <command>',
      'run a command for each command that comes: the payload on stdin, its name as $1, its id as $2',
    )
    .addOption(new Option('--command-seconds <seconds>', 'how long it may run').default(60).argParser(secondsFrom(1)));
  return addPublishOptions(command).action(acting(stay));
}

async function stay(flags: StayFlags): Promise<void> {
  const { keepFresh } = await import('../run.js');
  const { exec, out, once = false } = flags;
  check(flags);
  const announce = async (): Promise<void> => (await hook())(exec, out);
  const tell = (event: object, text: string): void => print(flags, event, text);
  const session = await openedSession(flags, tell);
  const renewed = (): void => session?.renewed();
  const freshness = keepFresh(folderOf(flags), { once, announce, tell, renewed });
  if (!session) return freshness;
  await Promise.race([freshness, session.run()]);
  // What is left is the next look at the certificate, which may be ended at any moment.
  process.exit(0);
}

function check({ once, mqtt, onCommand, sign, batch, ...flags }: StayFlags): void {
  const { socket, http, exitWhenEmpty, stdin } = flags;
  const wanted = { onCommand, socket, http, batch, sign, exitWhenEmpty };
  const [name] = Object.entries(wanted).find(([, value]) => value !== undefined) ?? [];
  if (mqtt === undefined && name !== undefined) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${flag} needs an edge: give --mqtt HOST:PORT too`);
  }
  if (mqtt !== undefined && once) throw new UsageError('leave --once out: with --mqtt, the agent keeps running');
  if (sign && batch === undefined) throw new UsageError('--sign signs batches: give --batch SIZE,SECONDS too');
  if (exitWhenEmpty && !stdin)
    throw new UsageError('--exit-when-empty waits for the end of stdin: leave --no-stdin out');
}

async function openedSession(flags: StayFlags, tell: (event: object, text: string) => void) {
  const { out, mqtt, mqttCa, clientId, keepAlive, onCommand, commandSeconds, stdin, socket, http, queue } = flags;
  if (mqtt === undefined) return undefined;
  const { openSession } = await import('../session.js');
  return openSession(folderOf(flags), {
    edge: {
      address: mqtt,
      ca: mqttCa === undefined ? undefined : readText(mqttCa),
      clientId,
      keepAliveSeconds: keepAlive,
    },
    commands: onCommand === undefined ? undefined : { program: onCommand, programMs: commandSeconds * 1000 },
    publishing: {
      // A terminal stops a program in the background that reads from it.
      stdin: stdin && !process.stdin.isTTY ? process.stdin : undefined,
      socket,
      http,
      queue: {
        folder: queue ?? join(out, 'queue'),
        bytes: flags.queueBytes,
        fsync: flags.queueFsync === 'always',
        whenFull: flags.queueDropOldest ? 'drop-oldest' : 'refuse',
      },
      batch: flags.batch,
      sign: flags.sign ?? false,
      exitWhenEmpty: flags.exitWhenEmpty ?? false,
    },
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

const secondsFrom =
  (least: number) =>
  (text: string): number => {
    const seconds = Number(text);
    if (!Number.isInteger(seconds) || seconds < least || seconds > 3600)
      throw new InvalidArgumentError(`write a number from ${least} to 3600.`);
    return seconds;
  };
