#!/usr/bin/env node
// Writes npm-shrinkwrap.json for the package: the dependencies of package-lock.json that the program runs with, and no others. By it
// `npm ci --omit=dev` in the unpacked archive installs exactly what was tested (docs/install.md). (`npm install` of an archive takes whatever its
// ranges allow.) `npm pack` makes it before and removes it afterwards: in the checkout, npm would take it for the lock file.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

const file = 'npm-shrinkwrap.json';

if (process.argv.includes('--remove')) rmSync(file, { force: true });
else {
  const { name, version, lockfileVersion, packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const { workspaces: _, devDependencies: __, ...root } = packages[''];
  const isNeeded = ([path, { dev, devOptional, link }]) =>
    path.startsWith('node_modules/') && !dev && !devOptional && !link;
  const needed = Object.fromEntries(Object.entries(packages).filter(isNeeded));
  const wrapped = { name, version, lockfileVersion, requires: true, packages: { '': root, ...needed } };
  writeFileSync(file, `${JSON.stringify(wrapped, null, 2)}\n`);
}
