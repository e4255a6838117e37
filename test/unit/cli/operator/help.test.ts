import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../../../src/cli/program.js';
import { exitCodes } from '../../../../src/cli/session/errors.js';

type Named = { path: string; command: Command };

const below = (command: Command, path: string[]): Named[] =>
  command.commands.flatMap((each) => {
    const here = [...path, each.name()];
    return [{ path: here.join(' '), command: each }, ...below(each, here)];
  });
const all = below(createProgram(), []);
const leaves = all.filter(({ command }) => command.commands.length === 0);

function helpOf(command: Command): string {
  let help = '';
  command.configureOutput({ writeOut: (text) => void (help += text) });
  command.outputHelp();
  return help;
}

const examplesIn = (help: string): string[] =>
  (help.split(/\nExamples?:\n/)[1] ?? '')
    .split('\n')
    .map((line) => /(?:^|[\s(])(thingward .*)/.exec(line)?.[1]?.replace(/\)$/, '') ?? '')
    .filter((line) => line !== '');

describe('the help of every command', () => {
  it('says what the command and each of its flags do', () => {
    expect(leaves.length).toBeGreaterThan(40);
    for (const { path, command } of all) {
      expect(command.description(), path).not.toBe('');
      for (const option of command.options) expect(option.description, `${path} ${option.flags}`).not.toBe('');
      for (const argument of command.registeredArguments)
        expect(argument.description, `${path} ${argument.name()}`).not.toBe('');
    }
  });

  it('has an example, whose command and flags exist', () => {
    for (const { path, command } of leaves) {
      const examples = examplesIn(helpOf(command));
      expect(examples, path).not.toEqual([]);
      for (const example of examples) {
        const shown = all.filter(
          (each) => example.startsWith(`thingward ${each.path} `) || example === `thingward ${each.path}`,
        );
        expect(
          shown.map((each) => each.path),
          example,
        ).toContain(path);
        const flags = [...example.matchAll(/ (--?[a-z][a-z-]*)/g)].map(([, flag]) => flag);
        const known = command.options.flatMap(({ short, long }) => [short, long]);
        expect(
          flags.filter((flag) => !known.includes(flag)),
          example,
        ).toEqual([]);
      }
    }
  });
});

describe('docs/cli.md', () => {
  const paper = readFileSync('docs/cli.md', 'utf8');

  it('lists the exit codes', () => {
    const listed = [...paper.matchAll(/^\| (\d) +\|/gm)].map(([, code]) => Number(code));
    expect(listed).toEqual(Object.values(exitCodes).sort());
  });

  it('names every command of operators', () => {
    const [, table] = /\n(\| command [^]*?)\n\n/.exec(paper)!;
    const named = [...table!.matchAll(/^\| (.+?) +\|/gm)].flatMap(([, cell]) => {
      const [first, ...rest] = [...cell!.matchAll(/`([^`]+)`/g)].map(([, each]) => each!.split(/ [A-Z]/)[0]!);
      if (first === undefined) return [];
      return [first, ...rest.map((each) => `${first.split(' ')[0]} ${each}`)];
    });
    const operating = leaves
      .filter(({ command }) => command.options.some(({ long }) => long === '--output'))
      .map(({ path }) => path);
    expect([...named].sort()).toEqual(expect.arrayContaining([...operating].sort()));
  });
});
