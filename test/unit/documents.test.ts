import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { secretSettings, settings } from '../../src/settings/settings.js';
import { configurationPaper } from '../../scripts/papers/configuration.js';
import { referencePaper } from '../../scripts/papers/reference.js';
import { problems } from '../../src/problem-kinds.js';
import { describeApi, openRooms } from '../support/openapi.js';

const text = (path: string) => readFileSync(path, 'utf8');
const known = new Set([...Object.keys(settings), ...secretSettings.map((name) => `${name}_FILE`)]);

describe('the documents', () => {
  it('docs/operations.md lists what is done in the background, and by whom', () => {
    const rows = [...text('docs/operations.md').matchAll(/^\| `([a-z-]+)` +\|[^|]+\|[^|]+\| (each|one|any) +\|$/gm)];
    const { chores } = openRooms();
    const described = rows.map(([, name, instances]) => `${name} ${instances}`);
    expect(described.sort()).toEqual(chores.all.map(({ name, instances }) => `${name} ${instances}`).sort());
  });

  it('openapi.yaml is what the routes say: npm run openapi', async () => {
    expect(text('openapi.yaml')).toBe(await describeApi());
  });

  it('docs/configuration.md and docs/reference.md are what the schemas say: npm run papers', async () => {
    expect(text('docs/configuration.md')).toBe(await configurationPaper());
    expect(text('docs/reference.md')).toBe(await referencePaper(await describeApi()));
    for (const name of known)
      if (!name.endsWith('_FILE')) expect(text('docs/configuration.md')).toContain(`\`${name}\``);
  });

  it('docs/problems.md has a heading for every code, and no other', () => {
    const headings = [...text('docs/problems.md').matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(Object.keys(problems).sort());
  });

  it('status and title of a problem stand in one table, for the server and for edges', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.endsWith('.ts') && path !== 'problem-kinds.ts',
    );
    const titles = Object.values(problems).map(({ title }) => `'${title}'`);
    const again = sources.filter((path) => titles.some((title) => text(`src/${path}`).includes(title)));
    expect(again).toEqual([]);
  });

  it('.env.example names every setting with what it does and its default', () => {
    const example = text('.env.example');
    const named = [...example.matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]);
    const defaults = Object.entries(settings).map(([name, schema]) => {
      const result = schema.safeParse(undefined);
      return [name, result.success && result.data !== undefined ? String(result.data) : ''];
    });
    expect(named).toEqual(defaults);
    for (const schema of Object.values(settings)) expect(example).toContain(schema.description);
  });

  it('Dockerfile and docker-compose.yml set nothing that the program does not know', () => {
    const dockerfile = [...text('Dockerfile').matchAll(/\b([A-Z_]{3,})=\S+/g)].map(([, name]) => name!);
    const compose = parse(text('docker-compose.yml')) as {
      services: Record<string, { environment?: Record<string, string> }>;
    };
    const instances = ['thingward-1', 'thingward-2'].map((name) =>
      Object.keys(compose.services[name]!.environment ?? {}),
    );
    expect(instances[0]).toEqual(instances[1]);
    for (const name of [...dockerfile, ...instances[0]!]) expect(known, name).toContain(name);
    for (const name of ['DATABASE_URL', 'THINGWARD_KEY', 'THINGWARD_PUBLIC_URL', 'THINGWARD_PKI_URL'])
      expect(instances[0]).toContain(name);
  });

  it('the NGINX configuration names the instances and the port of docker-compose.yml', () => {
    const compose = parse(text('docker-compose.yml')) as { services: Record<string, { ports?: string[] }> };
    const nginx = text('deploy/nginx.conf');
    for (const [, host] of nginx.matchAll(/server (thingward-\d):8080/g))
      expect(Object.keys(compose.services)).toContain(host);
    expect(nginx.match(/server thingward-\d:8080/g)).toHaveLength(2);
    expect(compose.services['nginx']!.ports).toEqual(['127.0.0.1:8080:8080']);
  });

  it('git ignores the keys and tokens that the papers have one make', () => {
    const folder = mkdtempSync(join(tmpdir(), 'thingward-ignore-'));
    const made = [
      'device.key',
      'next.key',
      'rsa.key',
      'tls.key',
      'device.csr',
      'device.crt',
      'chain.pem',
      'token.txt',
      'device.p12',
    ];
    const ofAgent = ['pump-17/device.key', 'pump-17/next.key', 'pump-17/token.json', 'pump-17/agent.json', 'data/key'];
    const files = [...made, ...ofAgent, 'examples/device.key'];
    const run = (...args: string[]) =>
      spawnSync('git', args, { cwd: folder, encoding: 'utf8', input: files.join('\n') });
    run('init', '-q');
    copyFileSync('.gitignore', join(folder, '.gitignore'));
    expect(run('check-ignore', '--stdin').stdout.trim().split('\n')).toEqual(files);
    rmSync(folder, { recursive: true });
  });

  it('NGINX ends what takes too long', () => {
    const nginx = text('deploy/nginx.conf');
    for (const of of ['client_header', 'client_body', 'send', 'keepalive', 'proxy_connect', 'proxy_send', 'proxy_read'])
      expect(nginx, of).toMatch(new RegExp(`^ *${of}_timeout \\d+s;`, 'm'));
  });

  it('README names no setting and no file that is not there', () => {
    const readme = text('README.md');
    for (const [name] of readme.matchAll(/\bTHINGWARD_(?!URL\b)[A-Z_]+\b/g)) expect(known, name).toContain(name);
    for (const [, path] of readme.matchAll(/\]\((?!http)([^)]+)\)/g)) expect(() => text(path!), path).not.toThrow();
  });

  it('nothing tells people to run a name that is not published', () => {
    const listed = spawnSync('git', ['ls-files', '--', '*.md', 'src', 'console', 'deploy', 'examples'], {
      encoding: 'utf8',
    });
    const papers = listed.stdout.trim().split('\n');
    expect(papers.length).toBeGreaterThan(100);
    const unpublished = /\bnpx (?:-y |--yes )?thingward|\bnpm (?:i|install)(?: -g| --global)* thingward\b/;
    expect(papers.filter((path) => unpublished.test(text(path)))).toEqual([]);
    expect(unpublished.test('npx thingward agent')).toBe(true);
  });

  it('every promise of the README names tests that exist', () => {
    const promises = text('README.md')
      .match(/^\| promise [^]*?\n\n/m)![0]
      .trim()
      .split('\n')
      .slice(2);
    expect(promises.length).toBeGreaterThan(10);
    for (const promise of promises) {
      const paths = [...promise.matchAll(/`([^`]+)`/g)].map(([, path]) => path!);
      expect(paths, promise).not.toEqual([]);
      for (const path of paths) expect(existsSync(path) && path.endsWith('.test.ts'), path).toBe(true);
    }
  });

  it('every line of the checklist in docs/security.md names tests that exist', () => {
    const lines = [...text('docs/security.md').matchAll(/^\| \d+\.\d+\.\d+.*\|$/gm)].map(([line]) => line);
    expect(lines.length).toBeGreaterThan(30);
    for (const line of lines) {
      const paths = [...line.matchAll(/`(test\/[^`]+)`/g)].map(([, path]) => path!);
      expect(paths, line).not.toEqual([]);
      for (const path of paths) expect(existsSync(path) && path.endsWith('.test.ts'), path).toBe(true);
    }
  });

  it('every path in the papers about the code exists', () => {
    const papers = ['docs/architecture.md', 'CONTRIBUTING.md', 'docs/glossary.md'].map(text).join('\n');
    const paths = pathsIn(papers);
    expect(paths.length).toBeGreaterThan(50);
    expect(
      paths.filter((path) => !existsSync(path) && !existsSync(`src/${path}`) && !existsSync(`docs/${path}`)),
    ).toEqual([]);
    expect(pathsIn('see `things/nowhere.ts` and `/v1/things`')).toEqual(['things/nowhere.ts']);
  });

  it('docs/architecture.md says where things are decided, each in one place, in at most 250 lines', () => {
    const paper = text('docs/architecture.md');
    expect(paper.split('\n').length).toBeLessThanOrEqual(251);
    const answers = [...paper.matchAll(/^\| [^|]+\?\s+\| `(src\/[^`]+)`\s+\| `(\w+)`\s+\|$/gm)];
    expect(answers.length).toBeGreaterThanOrEqual(20);
    expect(new Set(answers.map(([, , name]) => name)).size).toBe(answers.length);
    for (const [, path, name] of answers) expect(definedIn(text(path!)), path).toContain(name);
  });

  it('every name in docs/architecture.md is defined in src/ or in a migration', () => {
    const prose = text('docs/architecture.md').replace(/^```[^]*?^```/gm, '');
    const names = [...prose.matchAll(/`([a-z]+[A-Z]\w*)`/g)].map(([, name]) => name!);
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
    const defined = new Set(sources.flatMap((path) => definedIn(text(`src/${path}`))));
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((name) => !defined.has(name))).toEqual([]);
    // Tables and triggers.
    const inSql = [...prose.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, name]) => name!);
    const migrations = readdirSync('prisma/migrations', { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.sql'),
    );
    const sql = migrations.map((path) => text(`prisma/migrations/${path}`)).join('\n');
    expect(inSql.length).toBeGreaterThan(5);
    expect(inSql.filter((name) => !sql.includes(`"${name}"`))).toEqual([]);
  });
});

/** What is in backticks and looks like a path of the repository or of src/. */
function pathsIn(paper: string): string[] {
  const prose = paper.replace(/^```[^]*?^```/gm, '');
  const quoted = [...prose.matchAll(/`([^`\n]+)`/g), ...prose.matchAll(/\]\((?!http)([^)#]+)[^)]*\)/g)].map(
    ([, path]) => path!,
  );
  return quoted
    .filter(
      (path) =>
        /^[\w.-]+(\/[\w.-]+)*(\/|\.(ts|mjs|cjs|md|sql|yml|yaml|prisma))$/.test(path) && !oneOfEachRoom.has(path),
    )
    .map((path) => path.replace(/^\.\.\//, ''));
}

/** Names that every room has a file of. */
const oneOfEachRoom = new Set(['feature.ts', 'routes.ts', 'schema.ts', 'service.ts', 'store.ts']);

function definedIn(source: string): string[] {
  const definitions = /\b(?:const|function\*?|type|class)\s+(\w+)/g;
  return [...source.matchAll(definitions)].map(([, name]) => name!);
}
