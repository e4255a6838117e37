import { runProgram, type Ended } from './program.js';

/** An answer to publish. */
export type Answer = { topic: string; payload: string };

type Options = {
  /** `ACCOUNT/THING/commands/`. */
  prefix: string;
  /** Run by the shell for each command: the payload on stdin, name and id as `$1` and `$2`. */
  program: string;
  /** How long it may run. */
  ms: number;
  /** The clock of the server, milliseconds since 1970. */
  now(): number;
  answer(answer: Answer): void;
  tell(event: object, text: string): void;
};

type Command = { id: string; name: string; payload: unknown; expiresAt: number };

const most = { waiting: 100, remembered: 1000 };
const nameForm = /^[A-Za-z0-9_-]{1,64}$/;
const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Runs a program for each command, one after the other, and answers how it ended. A command that comes again is not run again. */
export function createObeyer({ prefix, program, ms, now, answer, tell }: Options) {
  const waiting: Command[] = [];
  const seen = new Set<string>();
  let isRunning = false;

  const say = ({ id, name }: Command, { ok, ...rest }: Ended): void => {
    const status = ok ? 'acknowledged' : 'failed';
    answer({ topic: `${prefix}${name}/${id}/result`, payload: JSON.stringify({ status, ...rest }) });
    tell({ command: name, id, status }, `command ${name}: ${status}${rest.error ? `, ${rest.error}` : ''}`);
  };

  const refuse = (command: Command, error: string): void => say(command, { ok: false, error, output: '' });

  const run = async (command: Command): Promise<void> => {
    const { id, name, payload, expiresAt } = command;
    if (expiresAt <= now()) return refuse(command, 'it expired before it could be run');
    say(command, await runProgram({ program, args: [name, id], input: JSON.stringify(payload), ms }));
  };

  const work = async (): Promise<void> => {
    isRunning = true;
    for (let next = waiting.shift(); next; next = waiting.shift()) await run(next);
    isRunning = false;
  };

  return {
    /** Takes a message. What is no command of this device is left alone. */
    take(topic: string, octets: Buffer): void {
      const command = readCommand(topic, prefix, octets);
      if (!command || seen.has(command.id)) return;
      seen.add(command.id);
      if (seen.size > most.remembered) seen.delete(seen.values().next().value!);
      if (waiting.length >= most.waiting) return refuse(command, 'too many commands wait already');
      waiting.push(command);
      if (!isRunning) void work();
    },
  };
}

function readCommand(topic: string, prefix: string, octets: Buffer): Command | undefined {
  const name = topic.startsWith(prefix) ? topic.slice(prefix.length) : '';
  if (!nameForm.test(name)) return undefined;
  try {
    const {
      id,
      name: said,
      payload = null,
      expiresAt,
    } = JSON.parse(octets.toString('utf8')) as Record<string, unknown>;
    const until = Date.parse(String(expiresAt));
    if (typeof id !== 'string' || !idForm.test(id) || said !== name || Number.isNaN(until)) return undefined;
    return { id, name, payload, expiresAt: until };
  } catch {
    return undefined;
  }
}
