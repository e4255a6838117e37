import { InvalidArgumentError, Option, type Command } from 'commander';
import type { BatchRule } from '../publish/batches.js';

const least = 4_194_304;
const most = 1_099_511_627_776;

/** Adds the options of `run` that are about publishing. */
export function addPublishOptions(command: Command): Command {
  return command
    .option('--no-stdin', 'do not publish what comes in on stdin; a terminal is not read anyway')
    .option('--socket <path>', 'publish what comes in on a Unix socket, which only the same user can open')
    .addOption(
      new Option('--http <port>', 'publish what comes in by POST /publish from this machine; 0 for any port').argParser(
        (text) => wholeNumber(text, 0, 65_535),
      ),
    )
    .option('--queue <dir>', 'where messages wait for the edge; by default the folder queue in --out')
    .addOption(
      new Option('--queue-bytes <bytes>', 'how much of the disk they may take')
        .default(67_108_864)
        .argParser((text) => wholeNumber(text, least, most)),
    )
    .addOption(
      new Option('--queue-fsync <when>', 'whether a message counts as kept only when the disk has it')
        .choices(['always', 'never'])
        .default('always'),
    )
    .option('--queue-drop-oldest', 'drop the oldest messages when the queue is full; by default new ones are refused')
    .addOption(
      new Option(
        '--batch <size,seconds>',
        'publish so many messages at once, or what has come so long after the first, compressed',
      ).argParser(batchRule),
    )
    .option('--sign', 'sign each batch with the key of the device')
    .option('--exit-when-empty', 'end when stdin has ended and everything is published');
}

function wholeNumber(text: string, from: number, to: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= from && value <= to) return value;
  throw new InvalidArgumentError(`write a number from ${from} to ${to}.`);
}

function batchRule(text: string): BatchRule {
  const [size, seconds] = (/^(\d{1,5}),(\d{1,4})$/.exec(text)?.slice(1) ?? []).map(Number);
  if (size === undefined || seconds === undefined || size < 1 || size > 10_000 || seconds < 1 || seconds > 3600)
    throw new InvalidArgumentError('write SIZE,SECONDS: 1 to 10000 messages, and 1 to 3600 seconds.');
  return { size, seconds };
}
