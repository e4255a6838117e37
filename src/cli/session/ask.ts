import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { exitCodes, OperatorError } from './errors.js';

const mostOctets = 4096;

/**
 * Resolves when the person at the terminal types a word again, or when `--yes` was given. Questions go to the error output,
 * so that what a program reads stays clean. @throws OperatorError otherwise, and without a terminal
 */
export async function typeAgain(what: string, word: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw new OperatorError(`${what} Add --yes to continue without a question`);
  const typed = await answerTo(`${what} Type ${word} to continue: `, process.stderr);
  if (typed !== word) throw new OperatorError('that was something else: nothing was changed', exitCodes.difference);
}

/** A secret: the first line of the input, or what a person types, which is not shown. */
export async function readSecret(question: string): Promise<string> {
  if (!process.stdin.isTTY) return firstLine();
  process.stderr.write(question);
  // The line editor writes what is typed: into nothing.
  const typed = await answerTo('', new Writable({ write: (_chunk, _encoding, done) => done() }));
  process.stderr.write('\n');
  return typed;
}

async function answerTo(question: string, output: NodeJS.WritableStream): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  // The end of the input is no answer, and would never settle the question.
  const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  const typed = await Promise.race([ended, terminal.question(question)]);
  terminal.close();
  return typed.trim();
}

async function firstLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.includes('\n') || text.length > mostOctets) break;
  }
  return text.split('\n')[0]!.trim();
}
