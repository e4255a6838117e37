#!/usr/bin/env node
// Builds dist/ from src/: the database client, and every module by itself. Does nothing when nothing changed, and says what it does.
// Types are checked by `npm run lint`; the declarations of the package are made when it is packed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { brotliCompressSync, gzipSync } from 'node:zlib';

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

/** Beside every file its packed forms, so that no answer has to pack it. */
const packFiles = (folder) => {
  for (const file of filesUnder(folder)) {
    const bytes = readFileSync(file);
    writeFileSync(`${file}.br`, brotliCompressSync(bytes));
    writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  }
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
    // Where the package is installed from this folder, its command is a link to this file.
    chmodSync('dist.new/main.js', 0o755);
    writeFileSync('dist.new/.built-from', built);
    if (existsSync('dist/console')) renameSync('dist/console', 'dist.new/console');
    rmSync('dist', { recursive: true, force: true });
    renameSync('dist.new', 'dist');
  });

const pages = [
  ...filesUnder('console/src'),
  'console/index.html',
  'console/vite.config.ts',
  ...filesUnder('src/client'),
];
const shown = digestOf([...pages.filter((file) => !file.includes('/generated/')), 'package-lock.json']);
if (textOf('dist/console/.built-from') !== shown)
  await step('building the console', async () => {
    const { build } = await import('vite');
    rmSync('dist/console.new', { recursive: true, force: true });
    await build({ root: 'console', configFile: 'console/vite.config.ts', logLevel: 'warn' });
    packFiles('dist/console.new/assets');
    writeFileSync('dist/console.new/.built-from', shown);
    rmSync('dist/console', { recursive: true, force: true });
    renameSync('dist/console.new', 'dist/console');
  });
