// Builds the package of the agent from the source of the server: one file for the program, one for the library, and their types.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const root = at('../../');
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const own = JSON.parse(readFileSync(at('package.json'), 'utf8')).version;
if (own !== version)
  throw new Error(`packages/agent/package.json has version ${own}, package.json ${version}: make them the same`);

rmSync(at('dist'), { recursive: true, force: true });
const common = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  legalComments: 'inline',
  define: { agentVersion: JSON.stringify(version) },
  // Commander is CommonJS and asks for modules of Node by require.
  banner: {
    js: "import { createRequire as makeRequire } from 'node:module';\nconst require = makeRequire(import.meta.url);",
  },
};
await build({ ...common, entryPoints: [`${root}src/agent/main.ts`], outfile: at('dist/thingward-agent.js') });
await build({ ...common, entryPoints: [`${root}src/agent/agent.ts`], outfile: at('dist/agent.js') });
const types = [
  'src/agent/agent.ts',
  '--declaration',
  '--emitDeclarationOnly',
  '--rootDir',
  'src',
  '--outDir',
  at('dist'),
];
const options = [
  '--ignoreConfig',
  '--module',
  'nodenext',
  '--target',
  'es2023',
  '--strict',
  '--skipLibCheck',
  '--types',
  'node',
];
execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, ...types, ...options], {
  cwd: root,
  stdio: 'inherit',
});
copyFileSync(`${root}LICENSE`, at('LICENSE'));
