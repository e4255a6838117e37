import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { runShell } from '../shell.js';

type Step = { word: string; rest: string };

/** What runs in the last stage of an image: in a folder that stands for its root. */
export type Image = {
  root: string;
  environment: Record<string, string>;
  user: string;
  folder: string;
  command: string[];
  healthcheck: string[];
};

const lowered = /(?<![\w.:/-])\/(?:src|package|app|data|usr\/local\/bin)(?=[/\s]|$)/g;

/**
 * Follows the steps of the Dockerfile without a container engine: every COPY and RUN, in a folder for each stage that stands
 * for its root. What a base image brings is that of this machine. @throws Error with what a step said
 */
export async function followDockerfile(folder: string, env: Record<string, string>): Promise<Image> {
  const image: Image = { root: '', environment: {}, user: 'root', folder: '/', command: [], healthcheck: [] };
  const stages = new Map<string, string>();
  for (const { word, rest } of stepsOf(readFileSync('Dockerfile', 'utf8'))) {
    const inRoot = (path: string): string => join(image.root, resolve(image.folder, path));
    if (word === 'FROM') {
      const name = /^\S+ AS (\S+)$/.exec(rest)?.[1] ?? 'last';
      Object.assign(image, { root: join(folder, name), environment: {}, user: 'root', folder: '/' });
      stages.set(name, image.root);
      mkdirSync(join(image.root, 'usr/local/bin'), { recursive: true });
    } else if (word === 'COPY') copy(rest, inRoot, stages);
    else if (word === 'RUN') await run(rest, image, env);
    else describe(word, rest, image);
  }
  return image;
}

/** A step that runs nothing: what it says of the image. */
function describe(word: string, rest: string, image: Image): void {
  const lower = (text: string): string => text.replace(lowered, (path) => join(image.root, path));
  if (word === 'WORKDIR') mkdirSync(join(image.root, (image.folder = rest)), { recursive: true });
  else if (word === 'ENV')
    for (const [, name, value] of rest.matchAll(/(\w+)=(\S+)/g)) image.environment[name!] = lower(value!);
  else if (word === 'USER') image.user = rest;
  else if (word === 'HEALTHCHECK') image.healthcheck = JSON.parse(/CMD (\[.*\])$/.exec(rest)![1]!) as string[];
  else if (word === 'CMD') image.command = (JSON.parse(rest) as string[]).map(lower);
  else if (!['VOLUME', 'EXPOSE'].includes(word))
    throw new Error(`the Dockerfile has a step ${word}, which is not followed here`);
}

function stepsOf(text: string): Step[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => ({ word: line.split(' ', 1)[0]!, rest: line.slice(line.indexOf(' ') + 1) }));
}

function copy(rest: string, inRoot: (path: string) => string, stages: Map<string, string>): void {
  const [, stage, paths] = /^(?:--from=(\S+) )?(.+)$/.exec(rest)!;
  const parts = paths!.split(' ');
  const to = parts.pop()!;
  for (const part of parts) {
    const from = stage === undefined ? resolve(part) : join(stages.get(stage)!, part);
    // As Docker does: a folder gives what is in it.
    const isInto = parts.length > 1 || to.endsWith('/');
    const target = isInto ? join(inRoot(to), relative(dirname(from), from)) : inRoot(to === '.' ? part : to);
    rmSync(target, { recursive: true, force: true });
    cpSync(from, target, {
      recursive: true,
      filter: (path) => stage !== undefined || !isIgnored(relative(resolve('.'), path)),
    });
  }
}

const ignored = readFileSync('.dockerignore', 'utf8').trim().split('\n');

function isIgnored(path: string): boolean {
  return ignored.some((line) => {
    if (line.startsWith('**/')) return path.split('/').includes(line.slice(3));
    return line.startsWith('*.') ? path.endsWith(line.slice(1)) : path === line || path.startsWith(`${line}/`);
  });
}

async function run(command: string, { root, folder }: Image, env: Record<string, string>): Promise<void> {
  const lowest = command.replace(lowered, (path) => join(root, path)).replace(/ && chown \S+ \S+/, '');
  // As in a container, whatever that of this process is.
  const script = `umask 022 && ${lowest}`;
  const { code, output } = await runShell(script, join(root, folder), env);
  if (code !== 0) throw new Error(`${command}\n${output}`);
  if (!existsSync(root)) throw new Error(`${command} left nothing`);
}
