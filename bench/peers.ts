import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

const folder = 'bench/peers';
export const opaVersion = 'v1.10.0';

/** Installs what ours is compared with: npm packages, and OPA as a Go module. Nothing of it is part of the product. */
export function installPeers(): void {
  if (!existsSync(`${folder}/node_modules/@open-policy-agent/opa-wasm`)) {
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', '--prefix', folder], { stdio: 'inherit' });
  }
  if (!existsSync(`${folder}/bin/opa`)) {
    const env = { ...process.env, GOBIN: `${process.cwd()}/${folder}/bin` };
    execFileSync('go', ['install', `github.com/open-policy-agent/opa@${opaVersion}`], { stdio: 'inherit', env });
  }
  if (!existsSync(mgateProgram))
    execFileSync('go', ['build', '-o', '../bin/mgate', '.'], { stdio: 'inherit', cwd: `${folder}/mgate` });
}

/** A package among the peers. */
export function requirePeer<Module>(name: string): Module {
  return createRequire(`${process.cwd()}/${folder}/package.json`)(name) as Module;
}

export const mgateProgram = `${folder}/bin/mgate`;
export const opaProgram = `${folder}/bin/opa`;
export const cerbosProgram = (): string =>
  createRequire(`${process.cwd()}/${folder}/package.json`)
    .resolve('@cerbos/cerbos-linux-x64/package.json')
    .replace('package.json', 'cerbos-linux-x64');
