import { Command, InvalidArgumentError, Option } from 'commander';
import { formats } from '../output/output.js';
import type { CommonFlags, Session } from '../session/session.js';

/** A command that does something, with the flags that all of them have and an example. */
export function leaf(name: string, description: string, ...examples: string[]): Command {
  const lines = examples.map((example) => `\n  ${example}`).join('');
  return new Command(name)
    .description(description)
    .addOption(new Option('-o, --output <form>', 'table for people, the others for programs').choices(formats))
    .option('--context <name>', 'the server, by the name of its context')
    .addHelpText('after', `\nExample${examples.length > 1 ? 's' : ''}:${lines}`);
}

/** A command that has others. */
export function branch(name: string, description: string, ...below: Command[]): Command {
  const command = new Command(name).description(description);
  below.forEach((each) => command.addCommand(each));
  return command;
}

/** What a command of operators does, once there is a server: its arguments come as they stand on the line. */
export type Work<Flags> = (session: Session, flags: Flags, ...args: string[]) => Promise<void>;

/** An action for commander. What asks servers is loaded when the command runs. */
export function acting<Flags extends object = object>(work: Work<Flags>): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const flags = given.at(-2) as Flags & CommonFlags;
    const { withSession } = await import('../session/session.js');
    await withSession(flags, (session) => work(session, flags, ...(given.slice(0, -2) as string[])));
  };
}

/** Reads a whole number of a flag. @throws InvalidArgumentError */
export function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('it must be a whole number.');
}

/** Reads `name=value`, as often as it is given. @throws InvalidArgumentError */
export function attribute(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('it must be written as name=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Reads a flag that may be given several times. */
export const several = (text: string, before: string[] = []): string[] => [...before, text];

/** Writes one object in the form that was asked for. */
export async function print({ out }: Session, item: object): Promise<void> {
  const { writeOne } = await import('../output/output.js');
  await writeOne(out, item);
}
