#!/usr/bin/env node
// Runs commands side by side: `node scripts/side-by-side.mjs COMMAND...`. What each prints comes as one piece when it has
// ended. Ends with 1 when one of them failed.
import { spawn } from 'node:child_process';

const run = (command) =>
  new Promise((resolve) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => printed.push(chunk));
    child.on('close', (code) => {
      process.stdout.write(Buffer.concat(printed));
      if (code !== 0) process.stdout.write(`failed: ${command}\n`);
      resolve(code === 0);
    });
  });

const passed = await Promise.all(process.argv.slice(2).map(run));
process.exitCode = passed.every(Boolean) ? 0 : 1;
