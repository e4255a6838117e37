#!/usr/bin/env node
// Builds dist/ from src/: the database client, and every module by itself. Does nothing when nothing changed, and says what it does.
// Types are checked by `npm run lint`; the declarations of the package are made when it is packed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

const client = 'src/db/generated';
const stamp = 'dist/.built-from';

const filesUnder = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();

const digestOf = (files) => {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  return hash.digest('hex');
};

const textOf = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

const step = async (what, work) => {
  const begun = performance.now();
  process.stderr.write(`${what} ... `);
  await work();
  process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
};

const schema = digestOf(['prisma/schema.prisma', 'prisma.config.ts', 'package-lock.json']);
if (textOf(`${client}/.made-from`) !== schema)
  await step('making the database client', () => {
    execFileSync('npm', ['run', '-s', 'generate'], { stdio: ['ignore', 'inherit', 'inherit'] });
    writeFileSync(`${client}/.made-from`, schema);
  });

const sources = filesUnder('src').filter((file) => file.endsWith('.ts'));
const built = digestOf([...sources, 'package-lock.json', 'tsconfig.json', 'scripts/build.mjs']);
if (textOf(stamp) !== built || !existsSync('dist/main.js'))
  await step(`building ${sources.length} modules`, async () => {
    const { build } = await import('esbuild');
    rmSync('dist.new', { recursive: true, force: true });
    await build({
      entryPoints: sources,
      outbase: 'src',
      outdir: 'dist.new',
      format: 'esm',
      platform: 'node',
      target: 'es2023',
    });
    writeFileSync('dist.new/.built-from', built);
    rmSync('dist', { recursive: true, force: true });
    renameSync('dist.new', 'dist');
  });
