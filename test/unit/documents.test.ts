import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { secretSettings, settings } from '../../src/config.js';
import { problems } from '../../src/http/problems.js';
import { describeApi } from '../support/openapi.js';

const text = (path: string) => readFileSync(path, 'utf8');
const known = new Set([...Object.keys(settings), ...secretSettings.map((name) => `${name}_FILE`)]);

describe('the documents', () => {
  it('openapi.yaml is what the routes say: npm run openapi', async () => {
    expect(text('openapi.yaml')).toBe(await describeApi());
  });

  it('docs/problems.md has a heading for every code, and no other', () => {
    const headings = [...text('docs/problems.md').matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(Object.keys(problems).sort());
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
    const dockerfile = [...text('Dockerfile').matchAll(/\b([A-Z_]+)=\S+/g)].map(([, name]) => name!);
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

  it('README names no setting and no file that is not there', () => {
    const readme = text('README.md');
    for (const [name] of readme.matchAll(/\bTHINGWARD_(?!URL\b)[A-Z_]+\b/g)) expect(known, name).toContain(name);
    for (const [, path] of readme.matchAll(/\]\((?!http)([^)]+)\)/g)) expect(() => text(path!), path).not.toThrow();
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
});
